"""What kustomize makes of deploy/kubernetes fits the schemas of Kubernetes and KEDA. Skipped without the tools."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from definitions import definition, rendered, source
from manifests import BASE, BY_NAME, NEWEST, OLDEST, PRODUCTION, Object, containers, pod_template

KEDA = ("github.com/kedacore/keda/v2@v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=")
"""KEDA's module and the checksum of its content, as the Go tool prints it."""


def keda() -> Path:
    """Return the folder of KEDA's source."""
    return source(*KEDA)


def keda_definition(kind: str) -> Any:
    """Return the schema of one of KEDA's kinds."""
    return definition(keda() / "config" / "crd" / "bases" / f"keda.sh_{kind.lower()}s.yaml", "v1alpha1")


def keda_objects() -> list[Object]:
    return [each for each in rendered(PRODUCTION) if each["apiVersion"].startswith("keda.sh/")]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("folder", [BASE, PRODUCTION], ids=["base", "production"])
def test_it_fits_the_schemas_of_kubernetes(folder: Path, version: str) -> None:
    for each in rendered(folder):
        if not each["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(each, version, strict=True)


def test_scalers_fit_the_definitions_of_keda() -> None:
    found = keda_objects()
    assert {each["kind"] for each in found} == {"ScaledObject", "TriggerAuthentication"}
    for each in found:
        jsonschema.validate(each, keda_definition(each["kind"]))


def test_the_definitions_would_notice() -> None:
    broken = yaml.safe_load(yaml.safe_dump(keda_objects()[0]))
    broken["spec"]["maxReplicas"] = 3
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, keda_definition(broken["kind"]))


def test_keda_reads_every_option_of_the_triggers() -> None:
    """KEDA passes over an option that it does not know, so its own source is asked."""
    options = dict(
        re.findall(r'keda:"name=(\w+),order=([\w;]+)', (keda() / "pkg" / "scalers" / "kafka_scaler.go").read_text())
    )
    for each in keda_objects():
        for trigger in each["spec"].get("triggers", []):
            assert all("triggerMetadata" in options.get(name, "") for name in trigger["metadata"])
        for reference in each["spec"].get("secretTargetRef", []):
            assert "authParams" in options[reference["parameter"]]


def test_everything_is_in_one_namespace_and_what_is_referred_to_is_there() -> None:
    found = {(each["kind"], each["metadata"]["name"]) for each in rendered(PRODUCTION)}
    for each in rendered(PRODUCTION):
        assert each["metadata"].get("namespace", "servicecert") == "servicecert"
        if template := pod_template(each):
            for container in containers(template["spec"]):
                for source in container.get("envFrom", []):
                    assert ("ConfigMap", source["configMapRef"]["name"]) in found


def test_production_runs_an_image_by_its_digest() -> None:
    images = {
        container["image"]
        for each in rendered(PRODUCTION)
        if (template := pod_template(each))
        for container in containers(template["spec"])
    }
    assert images
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", image) for image in images)


def test_production_reaches_the_brokers_at_their_port_and_keeps_three_copies() -> None:
    found = {(each["kind"], each["metadata"]["name"]): each for each in rendered(PRODUCTION)}
    (settings,) = [each["data"] for (kind, name), each in found.items() if kind == "ConfigMap" and "kafka-" in name]
    ports = {int(each.rpartition(":")[2]) for each in settings["KAFKA_BOOTSTRAP_SERVERS"].split(",")}
    (rule,) = found["NetworkPolicy", "to-kafka"]["spec"]["egress"]
    assert {each["port"] for each in rule["ports"]} == ports
    topics, _ = found["Job", "prepare"]["spec"]["template"]["spec"]["initContainers"]
    assert topics["args"] == ["servicecert", "topics", "create", "--replication", "3"]


def test_production_changes_no_pods_rights() -> None:
    for each in rendered(PRODUCTION):
        if template := pod_template(each):
            plain = pod_template(BY_NAME[each["kind"], each["metadata"]["name"]])
            assert plain is not None
            assert template["spec"]["securityContext"] == plain["spec"]["securityContext"]
            for mine, theirs in zip(containers(template["spec"]), containers(plain["spec"]), strict=True):
                assert mine["securityContext"] == theirs["securityContext"]
