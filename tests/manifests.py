"""The files of deploy/kubernetes as they stand, read for the tests."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic_settings import BaseSettings
from servicecert_cli.watching.settings import CanarySettings, LagSettings
from servicecert_revoker.ocsp.settings import Settings as ResponderSettings
from servicecert_schemas.topics import SERVICES
from servicecert_worker.runtime.settings import WorkerSettings

Object = dict[str, Any]

CHECKOUT = Path(__file__).resolve().parents[1]
KUBERNETES = CHECKOUT / "deploy" / "kubernetes"
BASE, PRODUCTION, OPENSHIFT, MONITORING = (
    KUBERNETES / name for name in ("base", "overlays/production", "overlays/openshift", "monitoring")
)
PAGE = CHECKOUT / "docs" / "kubernetes.md"
OLDEST, NEWEST = "1.32", "1.37"
SECRETS = "/run/servicecert/"
COMPONENT = "app.kubernetes.io/component"
MANY = (*SERVICES, "ocsp", "crl")
ONE = ("lag", "canary")
"""Of which a second would only show the same."""
DEPLOYED = (*MANY, *ONE)
NIGHTLY = ("erase", "reconcile", "audit-verify")
SHELLS = {f"{name}-shell": name for name in (*SERVICES, "operator")}
"""In whose name commands are run in a suspended job's pod."""


def objects(folder: Path) -> list[Object]:
    files = [file for file in sorted(folder.glob("*.yaml")) if file.name != "kustomization.yaml"]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def kustomization(folder: Path) -> Object:
    read: Object = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return read


PLAIN = objects(BASE)
SCALED = objects(PRODUCTION)
BY_NAME = {(each["kind"], each["metadata"]["name"]): each for each in PLAIN + SCALED}


def pod_template(each: Object) -> Object | None:
    """Return the template of the pods that an object starts, None if it starts none."""
    if each["kind"] == "CronJob":
        each = each["spec"]["jobTemplate"]
    template: Object | None = each["spec"].get("template") if "spec" in each else None
    return template


TEMPLATES = {t["metadata"]["labels"][COMPONENT]: t for each in PLAIN if (t := pod_template(each))}
PODS: dict[str, Object] = {name: template["spec"] for name, template in TEMPLATES.items()}


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def maps(folder: Path) -> dict[str, dict[str, str]]:
    """Return the settings of each generated ConfigMap."""
    listed = kustomization(folder)["configMapGenerator"]
    return {each["name"]: dict(line.split("=", 1) for line in each.get("literals", ())) for each in listed}


def changed(values: Mapping[str, Mapping[str, str]], folder: Path) -> dict[str, dict[str, str]]:
    """Return the ConfigMaps as an overlay changes them."""
    behavior = {each["name"]: each["behavior"] for each in kustomization(folder)["configMapGenerator"]}
    assert set(behavior.values()) <= {"merge", "replace"}
    return {
        name: {**({} if behavior.get(name) == "replace" else own), **maps(folder).get(name, {})}
        for name, own in values.items()
    }


BASE_MAPS = maps(BASE)
PRODUCTION_MAPS = changed(BASE_MAPS, PRODUCTION)


def environment(container: Object, of: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return a container's variables; one that comes from a Secret has the name of its key."""
    given = {k: v for each in container.get("envFrom", []) for k, v in of[each["configMapRef"]["name"]].items()}
    for each in container.get("env", []):
        given[each["name"]] = each.get("value") or each["valueFrom"]["secretKeyRef"]["key"]
    return given


ALONE: Mapping[str, type[BaseSettings]] = {
    "ocsp": ResponderSettings,
    "lag": LagSettings,
    "canary": CanarySettings,
}


def settings_of(component: str) -> list[type[BaseSettings]]:
    if component in ALONE:
        return [ALONE[component]]
    return [WorkerSettings, import_module(f"servicecert_{component}.settings").Settings]


def names(settings: type[BaseSettings]) -> set[str]:
    return {field.alias or name.upper() for name, field in settings.model_fields.items()}


def is_once_a_day(hour: int, minute: int, zone: str) -> bool:
    """Return whether a time of day exists on every day of a year, and only once: clocks are changed."""
    days = [datetime(2027, 1, 1, hour, minute, tzinfo=ZoneInfo(zone)) + timedelta(days=n) for n in range(365)]
    return all(day.utcoffset() == day.replace(fold=1).utcoffset() for day in days)
