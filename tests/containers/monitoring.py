"""What Prometheus says: every process is scraped, and an alert fires while a container is stopped."""

import re
from collections.abc import Mapping
from urllib.parse import quote

import yaml

from .images import CHECKOUT
from .web import get_json

API = "http://127.0.0.1:9090/api/v1"
_PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
_UNITS = {"s": 1, "m": 60}


def jobs() -> set[str]:
    """Return the processes that deploy/prometheus/prometheus.yml scrapes."""
    scraped = yaml.safe_load((_PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    return {each["job_name"] for each in scraped}


def within(alert: str) -> float:
    """Return after how many seconds at most an alert fires, as its rule promises."""
    groups = yaml.safe_load((_PROMETHEUS / "alerts.yml").read_text())["groups"]
    (promised,) = (
        rule["annotations"]["within"] for group in groups for rule in group["rules"] if rule["alert"] == alert
    )
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([ms])", promised)))


def targets() -> dict[str, list[str]]:
    """Return the health of each address that Prometheus scrapes, by job."""
    found: dict[str, list[str]] = {}
    for target in get_json(f"{API}/targets?state=active")["data"]["activeTargets"]:
        found.setdefault(target["labels"]["job"], []).append(target["health"])
    return found


def are_all_up(expected: Mapping[str, int]) -> bool:
    """Return whether each job has so many targets, and all of them are up."""
    return targets() == {job: ["up"] * number for job, number in expected.items()}


def value(query: str) -> float | None:
    """Return the value of a query's only sample, None where there is no sample."""
    result = get_json(f"{API}/query?query={quote(query)}")["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def firing(**labels: str) -> set[str]:
    """Return the names of the alerts that fire with these labels."""
    alerts = get_json(f"{API}/alerts")["data"]["alerts"]
    found = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
    return {each["alertname"] for each in found if labels.items() <= each.items()}
