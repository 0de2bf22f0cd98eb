"""The alert rules as values, and which metrics they depend on."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
FILES = (FOLDER / "recording.yml", FOLDER / "alerts.yml")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: its expression, and within how many seconds after its cause it fires."""

    name: str
    expression: str
    within: float
    severity: str


def alerts() -> Mapping[str, Alert]:
    """Return the alerts by name."""
    return {
        rule["alert"]: Alert(
            rule["alert"], rule["expr"], seconds(rule["annotations"]["within"]), rule["labels"]["severity"]
        )
        for rule in _rules()
        if "alert" in rule
    }


def recorded() -> Mapping[str, str]:
    """Return the expressions of the recording rules by name."""
    return {rule["record"]: rule["expr"] for rule in _rules() if "record" in rule}


def seconds(duration: str) -> float:
    """Return the seconds of a duration as Prometheus writes it, e.g. `1h5m`."""
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration)))


def metrics() -> frozenset[str]:
    """Return the names of all metrics that alerts depend on, also by recording rules."""
    known = recorded()
    wanted = {name for alert in alerts().values() for name in _names(alert.expression)}
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in known:
            wanted |= _names(known[name])
        elif name == "up" or name.startswith(("servicecert_", "kafka_", "process_")):
            found.add(name)
    return frozenset(found)


def _names(expression: str) -> set[str]:
    # What is in quotes or braces is no metric.
    return set(_NAME.findall(re.sub(r'"[^"]*"|\{[^}]*\}', "", expression)))


def _rules() -> Iterable[Mapping[str, Any]]:
    for file in FILES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]
