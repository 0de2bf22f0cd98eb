"""Prometheus of docker-compose.yml scrapes every process under its name, keeps no more than it may, and alerts."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "deploy" / "prometheus"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
CONFIGURATION: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}


def test_each_process_with_metrics_is_a_job_of_its_name() -> None:
    """By DNS: one that is scaled has several addresses, and one whose name is gone is absent, for which alerts look."""
    ports = {
        name: int(port)
        for name, service in SERVICES.items()
        if (port := service.get("environment", {}).get("SERVICECERT_HEALTH_PORT")) and "ports" in service
    }
    scraped = {each["job_name"]: each for each in CONFIGURATION["scrape_configs"]}
    assert scraped.pop("prometheus")["static_configs"] == [{"targets": ["localhost:9090"]}]
    found = {name: each["dns_sd_configs"] for name, each in scraped.items()}
    assert found == {
        name: [{"names": [name], "type": "A", "port": port, "refresh_interval": "15s"}] for name, port in ports.items()
    }


def test_it_reads_our_files_and_keeps_a_month_of_two_gigabytes_at_most() -> None:
    service = SERVICES["prometheus"]
    assert "./deploy/prometheus:/etc/prometheus:ro" in service["volumes"]
    assert {"--storage.tsdb.retention.time=30d", "--storage.tsdb.retention.size=2GB"} <= set(service["command"])
    assert all((FOLDER / name).is_file() for name in CONFIGURATION["rule_files"])


@pytest.mark.parametrize("name", ["proxy", "prometheus"])
def test_what_is_not_ours_may_do_as_little_as_ours(name: str) -> None:
    assert HARDENED.items() <= SERVICES[name].items()
    assert HARDENED.items() <= SERVICES["intake"].items()


def test_prometheus_itself_takes_the_configuration_and_the_rules() -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool, of Debian's package prometheus, is not installed")
    checked = subprocess.run(
        ["promtool", "check", "config", str(FOLDER / "prometheus.yml")], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
