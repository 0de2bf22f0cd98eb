"""Prometheus and Grafana of docker-compose.yml: every process is scraped under its name, and our files are shown."""

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


@pytest.mark.parametrize("name", ["proxy", "prometheus", "grafana"])
def test_what_is_not_ours_may_do_as_little_as_ours(name: str) -> None:
    assert HARDENED.items() <= SERVICES[name].items()
    assert HARDENED.items() <= SERVICES["intake"].items()


def test_grafana_is_for_looking_alone_and_has_no_account_whose_password_could_be_guessed() -> None:
    """Without the first of these there is `admin` with the password `admin`."""
    given = SERVICES["grafana"]["environment"]
    assert given["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == given["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert given["GF_AUTH_BASIC_ENABLED"] == "false"
    assert (given["GF_AUTH_ANONYMOUS_ENABLED"], given["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")
    assert SERVICES["grafana"]["ports"] == ["127.0.0.1:3000:3000"]


def test_grafana_asks_prometheus_and_shows_the_dashboards_of_the_checkout() -> None:
    mounted = dict(volume.removesuffix(":ro").split(":") for volume in SERVICES["grafana"]["volumes"])
    provisioning = CHECKOUT / "deploy" / "grafana" / "provisioning"
    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    (sources,) = (yaml.safe_load(file.read_text())["datasources"] for file in provisioning.glob("datasources/*"))
    assert [(each["uid"], each["url"]) for each in sources] == [("prometheus", "http://prometheus:9090")]
    (providers,) = (yaml.safe_load(file.read_text())["providers"] for file in provisioning.glob("dashboards/*"))
    assert [each["options"]["path"] for each in providers] == [mounted["./deploy/grafana/dashboards"]]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == mounted["./deploy/grafana/dashboards"]
    assert (CHECKOUT / "deploy" / "grafana" / "dashboards" / home.name).is_file()


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-systemd.yml"])
def test_prometheus_itself_takes_the_configurations_and_the_rules(name: str) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool, of Debian's package prometheus, is not installed")
    checked = subprocess.run(["promtool", "check", "config", str(FOLDER / name)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
