"""deploy/kubernetes/monitoring gives the Prometheus operator the rules of deploy/prometheus, and the jobs they name."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import jsonschema
import pytest
import yaml
from definitions import definition, rendered, source
from manifests import BASE_MAPS, CHECKOUT, COMPONENT, MONITORING, PODS, Object, containers, environment, kustomization

from docs import pages

PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
OPERATOR = (
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
"""Its module and the checksum of its content, as the Go tool prints it."""
TARGET_LABELS = {"job", "instance", "namespace", "pod", "container", "endpoint"}
"""What the operator sets for a PodMonitor: of the same label of a metric Prometheus would change the name."""

_spec = spec_from_file_location("kubernetes_manifests", CHECKOUT / "deploy" / "kubernetes_manifests.py")
assert _spec is not None
assert _spec.loader is not None
manifests = module_from_spec(_spec)
_spec.loader.exec_module(manifests)

(MONITOR,) = yaml.safe_load_all((MONITORING / "scrape.yaml").read_text())


def operator_definition(kind: str) -> Any:
    """Return the schema of one of the operator's kinds."""
    folder = source(*OPERATOR) / "example" / "prometheus-operator-crd"
    return definition(folder / f"monitoring.coreos.com_{kind.lower()}s.yaml", "v1")


def test_the_manifests_are_those_of_the_program() -> None:
    """If not, run `python deploy/kubernetes_manifests.py`."""
    for path, text in manifests.manifests().items():
        assert path.read_text() == text, path.name


def test_the_rules_of_the_operator_are_those_of_prometheus() -> None:
    objects = list(yaml.safe_load_all((MONITORING / "rules.yaml").read_text()))
    files = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["rule_files"]
    assert [each["spec"] for each in objects] == [yaml.safe_load((PROMETHEUS / name).read_text()) for name in files]


def test_every_file_is_used() -> None:
    files = {file.name for file in MONITORING.glob("*.yaml")} - {"kustomization.yaml"}
    assert files | {"../../grafana"} == set(kustomization(MONITORING)["resources"])


def test_every_pod_with_metrics_is_scraped_as_the_job_of_its_name() -> None:
    (expression,) = MONITOR["spec"]["selector"]["matchExpressions"]
    assert (expression["key"], expression["operator"]) == (COMPONENT, "In")
    assert MONITOR["spec"]["jobLabel"] == COMPONENT
    selected = set(expression["values"])
    given = {name: [environment(each, BASE_MAPS) for each in containers(pod)] for name, pod in PODS.items()}
    assert selected == {name for name, each in given.items() if any("SERVICECERT_HEALTH_PORT" in one for one in each)}
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert selected == {each["job_name"] for each in configuration["scrape_configs"]} - {"prometheus"}
    (endpoint,) = MONITOR["spec"]["podMetricsEndpoints"]
    assert endpoint["interval"] == configuration["global"]["scrape_interval"]
    assert endpoint["scrapeTimeout"] == configuration["global"]["scrape_timeout"]
    assert all(endpoint["port"] in [port["name"] for port in PODS[name]["containers"][0]["ports"]] for name in selected)


def test_no_metric_has_a_label_that_the_operator_sets() -> None:
    labels = {label.strip() for row in pages.rows(pages.METRICS, "metrics") for label in row[2].split(",")}
    assert "service" in labels
    assert not labels & TARGET_LABELS


def test_it_fits_the_definitions_of_the_operator() -> None:
    found = [each for each in rendered(MONITORING) if each["kind"] != "ConfigMap"]
    assert {each["kind"] for each in found} == {"PodMonitor", "PrometheusRule"}
    for each in found:
        jsonschema.validate(each, operator_definition(each["kind"]))


def test_each_dashboard_is_a_config_map_for_the_sidecar_of_a_size_that_can_be_applied() -> None:
    """`kubectl apply` repeats an object in an annotation, and all annotations of an object have 256 KiB."""
    dashboards = {
        file.name: file.read_text() for file in (CHECKOUT / "deploy" / "grafana" / "dashboards").glob("*.json")
    }
    assert dashboards
    found = [each for each in rendered(MONITORING) if each["kind"] == "ConfigMap"]
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in found)
    shown = {name.removeprefix("servicecert-"): text for each in found for name, text in each["data"].items()}
    assert shown == dashboards
    assert all(len(json.dumps(each).encode()) < 250_000 for each in found)


def test_everything_is_in_the_namespace_of_what_it_watches() -> None:
    assert {each["metadata"]["namespace"] for each in rendered(MONITORING)} == {"servicecert"}


def test_the_definitions_would_notice() -> None:
    broken: Object = yaml.safe_load(yaml.safe_dump(MONITOR))
    broken["spec"]["joblabel"] = broken["spec"].pop("jobLabel")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, operator_definition(broken["kind"]))
