"""What kustomize makes of deploy/kubernetes fits the schemas of Kubernetes and KEDA. Skipped without the tools."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import kubernetes_validate
import pytest
import yaml
from definitions import definition, rendered, source
from docs.pages import CHECKOUT
from manifests import (
    BASE,
    BY_NAME,
    KUBERNETES,
    NEWEST,
    OLDEST,
    OPENSHIFT,
    PAGE,
    PODS,
    PRODUCTION,
    Object,
    containers,
    pod_template,
)
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core import secret_files
from servicecert_worker.kafka.cluster import Cluster

from docs import pages

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
@pytest.mark.parametrize("folder", [BASE, PRODUCTION, OPENSHIFT], ids=["base", "production", "openshift"])
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


ADMITTED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"}
ADMITTED_VOLUMES |= {"secret"}
"""By the Pod Security Standard `restricted` and by OpenShift's `restricted-v2`."""


def refusals(pod: Object) -> set[str]:
    """Return why the Pod Security Standard `restricted` refuses a pod, and OpenShift's `restricted-v2`, as `scc …`."""
    of_pod = pod.get("securityContext", {})
    found = {f"{each}" for each in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if pod.get(each)}
    found |= {f"volume {kind}" for each in pod["volumes"] for kind in each.keys() - {"name"} - ADMITTED_VOLUMES}
    found |= {f"scc {each}" for each in ("fsGroup", "seLinuxOptions") if each in of_pod}
    for container in containers(pod):
        both = of_pod | container.get("securityContext", {})
        checks = {
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "runAsUser": both.get("runAsUser") != 0,
            "seccompProfile": both.get("seccompProfile") == {"type": "RuntimeDefault"},
            "allowPrivilegeEscalation": both.get("allowPrivilegeEscalation") is False,
            "capabilities": both.get("capabilities") == {"drop": ["ALL"]},
            "privileged": not both.get("privileged"),
            "ports": all(p["containerPort"] >= 1024 and "hostPort" not in p for p in container.get("ports", [])),
            # The namespace's own range is unknown here, so a number is always a wrong one.
            "scc runAsUser": "runAsUser" not in both,
        }
        found |= {name for name, holds in checks.items() if not holds}
    return found


def pods_of(folder: Path) -> dict[str, Object]:
    found = ((each["metadata"]["name"], pod_template(each)) for each in rendered(folder))
    return {name: template["spec"] for name, template in found if template}


@pytest.mark.parametrize("folder", [BASE, PRODUCTION, OPENSHIFT], ids=lambda folder: folder.name)
def test_every_pod_is_one_that_restricted_namespaces_admit(folder: Path) -> None:
    assert len(pods_of(folder)) == len(PODS)
    for name, pod in pods_of(folder).items():
        refused = refusals(pod)
        assert not {each for each in refused if not each.startswith("scc ")}, name
        if folder is OPENSHIFT:
            assert refused == set(), name


def test_the_rules_would_notice() -> None:
    pod = yaml.safe_load(yaml.safe_dump(pods_of(OPENSHIFT)["intake"]))
    pod |= {"hostNetwork": True, "volumes": [{"name": "x", "hostPath": {}}], "securityContext": {"fsGroup": 1}}
    container = pod["containers"][0]
    container |= {"securityContext": {"privileged": True, "runAsUser": 0}, "ports": [{"containerPort": 80}]}
    assert refusals(pod) == {
        *("hostNetwork", "volume hostPath", "runAsNonRoot", "runAsUser", "seccompProfile", "allowPrivilegeEscalation"),
        *("capabilities", "privileged", "ports", "scc fsGroup", "scc runAsUser"),
    }
    assert refusals(pods_of(PRODUCTION)["intake"]) == {"scc fsGroup", "scc runAsUser"}


def test_I10_on_openshift_secrets_are_not_open_to_others() -> None:
    """The namespace's number is user, as it is fsGroup's; the group is root's."""
    number = 1_000_680_000
    for pod in pods_of(OPENSHIFT).values():
        for mode in (each["secret"]["defaultMode"] for each in pod["volumes"] if "secret" in each):
            status = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, 0, number, 0, 0, 0, 0))
            assert not secret_files.is_open_to_others(status, number, {0, number})


def test_openshift_is_production_but_for_numbers_and_what_is_openshifts_own() -> None:
    ours, theirs = (
        {(each["kind"], each["metadata"]["name"]): each for each in rendered(folder)}
        for folder in (PRODUCTION, OPENSHIFT)
    )
    assert ours.keys() == theirs.keys()
    differing = {key for key in ours if ours[key] != theirs[key] and pod_template(ours[key]) is None}
    policies = ("to-dns", "to-ingress", "from-ingress", "from-prometheus")
    assert differing == {("Ingress", "pki"), *(("NetworkPolicy", name) for name in policies)}


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """The second release that the page shows, beside the production overlay."""
    (block,) = [block for block in pages.blocks(PAGE) if block.words == ("yaml", "kustomization")]
    copy = shutil.copytree(KUBERNETES, tmp_path_factory.mktemp("two") / "kubernetes")
    (folder := copy / "overlays" / "second").mkdir()
    (folder / "kustomization.yaml").write_text(block.text)
    authority = (copy / "base" / "authority.toml").read_text().replace("example.fi", "rehearsal.example.fi")
    (folder / "authority.toml").write_text(authority)
    return rendered(folder)


def external_names(objects: tuple[Object, ...]) -> dict[str, set[str]]:
    """Return what objects name outside of their namespace: hosts, groups at Kafka, topics' prefix."""
    by_kind: dict[str, list[Object]] = {}
    for each in objects:
        by_kind.setdefault(each["kind"], []).append(each)
    (authority,) = [each["data"] for each in by_kind["ConfigMap"] if each["metadata"]["name"].startswith("authority-")]
    named = tomllib.loads(authority["authority.toml"])["repository"]
    (kafka,) = [each["data"] for each in by_kind["ConfigMap"] if each["metadata"]["name"].startswith("kafka-")]
    return {
        "hosts": {rule["host"] for each in by_kind["Ingress"] for rule in each["spec"]["rules"]},
        "urls": {named["crls"], named["ocsp"]},
        "groups": {
            t["metadata"]["consumerGroup"] for each in by_kind["ScaledObject"] for t in each["spec"]["triggers"]
        },
        "prefix": {kafka.get("SERVICECERT_TOPIC_PREFIX", "")},
    }


def test_two_releases_in_one_cluster_share_no_object_and_no_name(second: tuple[Object, ...]) -> None:
    first = rendered(PRODUCTION)
    identities = [
        {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects}
        for objects in (first, second)
    ]
    assert not identities[0] & identities[1]
    # The namespace itself is all that is not in one.
    assert {each[0] for each in identities[0] | identities[1] if each[1] is None} == {"Namespace"}
    assert {each[1] for each in identities[1]} == {None, "servicecert-rehearsal"}
    names = [external_names(objects) for objects in (first, second)]
    for what, found in names[0].items():
        assert not found & names[1][what], what
    (prefix,) = names[1]["prefix"]
    assert names[1]["groups"] == {Cluster("", prefix).group(service) for service in SERVICES}
    assert names[1]["hosts"] == {urlsplit(url).hostname for url in names[1]["urls"]}


def test_no_policy_of_a_release_selects_a_pod_of_another(second: tuple[Object, ...]) -> None:
    """A peer without a namespace is one of the policy's own; others are the cluster's, never a release's."""
    namespaces = {"servicecert", "servicecert-rehearsal"}
    policies = [each for each in (*rendered(PRODUCTION), *second) if each["kind"] == "NetworkPolicy"]
    assert len(policies) > 10
    for policy in policies:
        rules = [*policy["spec"].get("egress", []), *policy["spec"].get("ingress", [])]
        for peer in (peer for rule in rules for peer in rule.get("to", []) + rule.get("from", [])):
            if "namespaceSelector" in peer:
                (selected,) = peer["namespaceSelector"]["matchLabels"].items()
                assert selected[0] == "kubernetes.io/metadata.name"
                assert selected[1] not in namespaces


def _by_helm(chart: Path) -> str:
    """Return what Helm renders of a chart with its values: by Helm where it is installed, else by what we use of it."""
    if shutil.which("helm"):
        command = ["helm", "template", "servicecert", str(chart), "--namespace", "servicecert"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    values = yaml.safe_load((chart / "values.yaml").read_text())
    known = {
        "list .Chart.Version .Values | toJson | sha256sum | trunc 10": "0123456789",
        ".Release.Namespace": "servicecert",
        ".Release.Revision": "1",
    }

    def told(found: re.Match[str]) -> str:
        path = found[1].removeprefix(".Values.").split(".")
        return known[found[1]] if found[1] in known else reduce(getitem, path, values)

    return re.sub(r"\{\{ (.+?) \}\}", told, (chart / "templates" / "servicecert.yaml").read_text())


def _named(objects: Iterable[Object]) -> dict[tuple[str, str], str]:
    """Return the text of each object by its kind and name, without what a name has of the content."""
    plain = [re.sub(r"\b([a-z-]+)-[a-z0-9]{10}$", r"\1", yaml.safe_dump(each), flags=re.MULTILINE) for each in objects]
    texts = [each.replace("name: prepare-1\n", "name: prepare\n") for each in plain]
    found = [(yaml.safe_load(each), each) for each in texts]
    return {(each["kind"], each["metadata"]["name"]): text for each, text in found if each["kind"] != "Namespace"}


def test_the_chart_is_the_overlay_of_production_with_each_value_of_its_own(tmp_path: Path) -> None:
    objects = _named(rendered(PRODUCTION))
    make = [sys.executable, str(CHECKOUT / "deploy" / "chart.py"), str(tmp_path)]
    subprocess.run(make, input=yaml.safe_dump_all(rendered(PRODUCTION)), check=True, text=True)
    assert _named(yaml.safe_load_all(_by_helm(tmp_path))) == objects
    values = (tmp_path / "values.yaml").read_text()
    (tmp_path / "values.yaml").write_text(values.replace("example.fi", "authority.fi").replace("192.0.2.", "10.9.8."))
    left = "".join(_named(yaml.safe_load_all(_by_helm(tmp_path))).values())
    assert "example.fi" not in left
    assert "192.0.2." not in left
