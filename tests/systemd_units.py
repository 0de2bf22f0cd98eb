"""The units of deploy/systemd, and their examples of settings, as systemd reads them."""

from pathlib import Path

from manifests import CHECKOUT
from servicecert_schemas.topics import SERVICES

UNITS = CHECKOUT / "deploy" / "systemd"
PROGRAM = "/opt/servicecert/bin/servicecert"
SECRETS = "/run/servicecert/"
WORKERS = (*SERVICES, "ocsp")
WATCHERS = ("lag", "canary")
NIGHTLY = ("erase", "reconcile", "audit")
ONCE = ("migrate",)
ACCOUNTS = (UNITS / "servicecert.sysusers").read_text()
HARDENING = "servicecert-.service.d"

Unit = dict[str, list[str]]


def read(name: str) -> Unit:
    """Return the values of each option of a unit, in order."""
    found: Unit = {}
    for line in (UNITS / name).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            option, _, value = line.partition("=")
            found.setdefault(option, []).append(value)
    return found


def unit(service: str) -> Unit:
    return read(f"servicecert-{service}{'@' if service in WORKERS else ''}.service")


def environment(service: str, number: str = "01") -> dict[str, str]:
    """Return the variables of a unit, as systemd reads them from its files and itself."""
    given: dict[str, str] = {}
    for file in unit(service).get("EnvironmentFile", []):
        example = UNITS / "etc" / Path(file.removeprefix("-")).name
        if example.exists():
            lines = [line for line in example.read_text().splitlines() if line and not line.startswith("#")]
            given |= {name: value.strip('"') for name, value in (line.split("=", 1) for line in lines)}
    return given | dict(value.replace("%i", number).split("=", 1) for value in unit(service).get("Environment", []))
