"""deploy/systemd is what systemd understands, and each unit is given its own settings and secrets only."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from manifests import CHECKOUT, is_once_a_day, names, settings_of
from servicecert_cli.commands import crl
from servicecert_cli.main import main
from servicecert_cli.operations.broker_identities import TrialCa
from servicecert_pki.identity import FICTITIOUS_FILE, identity_in
from servicecert_revoker.ocsp.settings import Settings as ResponderSettings
from servicecert_schemas.broker import Principal
from servicecert_worker.core.access import KafkaAccess
from servicecert_worker.runtime.settings import ReaderSettings
from systemd_units import (
    ACCOUNTS,
    HARDENING,
    NIGHTLY,
    ONCE,
    PROGRAM,
    SECRETS,
    UNITS,
    WATCHERS,
    WORKERS,
    environment,
    read,
    unit,
)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder of all units, two of each worker, with a program that is there."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    shutil.copytree(UNITS / HARDENING, tmp_path / HARDENING)
    for file in UNITS.iterdir():
        if file.suffix in (".service", ".timer", ".target"):
            for name in [file.name.replace("@", f"@{number}") for number in ("01", "02")]:
                (tmp_path / name).write_text(file.read_text().replace(PROGRAM, "/bin/true"))
    return tmp_path


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    return subprocess.run(["systemd-analyze", *words], cwd=folder, env=given, capture_output=True, text=True)


def test_systemd_verifies_every_unit(installed: Path) -> None:
    files = [f"./{file.name}" for file in installed.iterdir() if file.is_file()]
    assert len(files) == 2 * len(WORKERS) + len(WATCHERS) + 1 + 2 * len(NIGHTLY) + len(ONCE) + 1
    result = analyze(installed, "verify", *files)
    assert result.returncode == 0
    assert str(installed) not in result.stderr


def test_systemd_would_notice(installed: Path) -> None:
    broken = installed / "servicecert-crl.service"
    broken.write_text(broken.read_text().replace("Restart=always", "Restart=forever"))
    assert "servicecert-crl.service" in analyze(installed, "verify", f"./{broken.name}").stderr


def test_the_hardening_reaches_every_unit(installed: Path) -> None:
    """systemd rates a service without any at 9.6 of 10."""
    for file in installed.glob("*.service"):
        told = analyze(installed, "security", "--offline=true", "--no-pager", f"./{file.name}").stdout
        rating = re.search(r"exposure level for \S+: ([\d.]+)", told)
        assert rating, told
        assert float(rating[1]) < 2


def test_who_holds_keys_may_forbid_core_dumps(installed: Path) -> None:
    """keyring.py and the OCSP responder call setrlimit, and end where they may not."""
    filters = read(f"{HARDENING}/hardening.conf")["SystemCallFilter"]
    assert filters[0] == "@system-service"
    for denied in [group for line in filters if line.startswith("~") for group in line[1:].split()]:
        assert "setrlimit" not in analyze(installed, "syscall-filter", denied).stdout.split()


@pytest.mark.parametrize("service", [*WORKERS, *WATCHERS, "crl", *NIGHTLY, *ONCE])
def test_commands_exist(service: str) -> None:
    (line,) = unit(service)["ExecStart"]
    program, *words = line.split()
    assert program == PROGRAM
    command: click.Command = main
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    command.make_context("servicecert", words, resilient_parsing=True)
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("service", [*WORKERS, *WATCHERS])
def test_the_settings_of_a_service_take_its_environment(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "DATABASE_URL").write_text("postgresql://a:b@c/d\n")
    for name in ("smtp-password", "kafka-password"):
        (tmp_path / name).write_text("secret\n")
        (tmp_path / name).chmod(0o400)
    (tmp_path / "kafka-ca.crt").write_text(TrialCa().certificate)
    (tmp_path / "authority.toml").write_text(FICTITIOUS_FILE.read_text())
    given = environment(service)
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace(SECRETS, f"{tmp_path}/").replace("/etc/servicecert", str(tmp_path)))
    for settings in settings_of(service):
        settings(**({"_secrets_dir": tmp_path} if "database_url" in settings.model_fields else {}))
    # The settings of all are one file, also for who reads no events.
    assert set(given) <= names(ReaderSettings).union(*map(names, settings_of(service)))


def test_jobs_are_given_only_what_commands_read() -> None:
    known = names(KafkaAccess) | {"KAFKA_BOOTSTRAP_SERVERS", "SERVICECERT_HEALTH_HOST", "SERVICECERT_SERVICE_KEYS"}
    for job in NIGHTLY:
        assert set(environment(job)) <= known


def test_f4_every_unit_logs_in_over_tls_as_a_user_of_its_own() -> None:
    users = {each: environment(each)["KAFKA_SASL_USERNAME"] for each in (*WORKERS, *WATCHERS, *NIGHTLY)}
    other = {
        "ocsp": "ocsp-responder",
        "erase": "eraser",
        "reconcile": "operator",
        "audit": "auditor",
        "lag": "monitoring",
    }
    assert users == {each: other.get(each, each) for each in users}
    assert set(users.values()) <= set(Principal)
    for each in users:
        assert environment(each)["KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
        assert "SERVICECERT_INSECURE" not in environment(each)


def test_workers_of_one_machine_have_ports_of_their_own() -> None:
    ports = [environment(each, f"{n:02}")["SERVICECERT_HEALTH_PORT"] for each in WORKERS for n in range(1, 13)]
    ports += [environment(each)["SERVICECERT_HEALTH_PORT"] for each in WATCHERS]
    assert len(set(ports)) == len(ports)
    assert all(1024 < int(port) < 65_536 for port in ports)


@pytest.mark.parametrize("service", [*WORKERS, *WATCHERS, "crl", *NIGHTLY, *ONCE])
def test_I10_each_account_sees_its_own_secrets_and_who_signs_the_ca(service: str) -> None:
    account = {"erase": "eraser", "migrate": "migrator"}.get(service, service)
    assert unit(service)["User"] == [f"servicecert-{account}"]
    assert f"\nu servicecert-{account} -" in ACCOUNTS
    mounted = unit(service).get("BindReadOnlyPaths", [])
    assert mounted == ([] if service == "crl" else [f"/etc/servicecert/{account}:/run/servicecert"])
    signs = service in ("issuer", "revoker")
    assert ("servicecert-ca" in unit(service).get("SupplementaryGroups", [])) is signs
    assert (f"\nm servicecert-{account} servicecert-ca" in ACCOUNTS) is signs
    assert ("SERVICECERT_CA_DIR" in environment(service)) is signs


@pytest.mark.parametrize("service", [*WORKERS, *WATCHERS, "crl"])
def test_a_service_is_started_again_but_not_with_a_wrong_configuration(service: str) -> None:
    """A worker ends within 10 s, with one of these where a person has to mend a file, a setting, a login or a right."""
    assert unit(service)["Restart"] == ["always"]
    assert unit(service)["RestartPreventExitStatus"] == ["65 66 77 78"]
    (seconds,), page = unit(service)["RestartSec"], " ".join((CHECKOUT / "docs/install.md").read_text().split())
    assert f"systemd restarts what ended after {seconds} s, except with code 65, 66, 77 or 78" in page
    assert all(f"stands still for {watchdog} s" in page for watchdog in unit(service).get("WatchdogSec", []))
    assert unit(service)["StartLimitIntervalSec"] == ["0"]
    assert int(unit(service)["TimeoutStopSec"][0]) > 10
    assert unit(service)["PartOf"] == unit(service)["WantedBy"] == ["servicecert.target"]


def test_a_token_is_named_where_the_key_is_and_the_page_says_how_its_device_is_seen() -> None:
    page = (CHECKOUT / "docs" / "install.md").read_text()
    assert read(f"{HARDENING}/hardening.conf")["PrivateDevices"] == ["true"]
    for said in ("`PrivateDevices=no`", "ReadWritePaths=/", "`production=<PIN>` and `test=<PIN>`"):
        assert said in page
    for service in ("issuer", "revoker"):
        assert {"SERVICECERT_PKCS11_MODULE", "SERVICECERT_PKCS11_PIN_FILE"} <= offered(service)


def offered(service: str) -> set[str]:
    """Return the variables of a service's example that stand in a comment."""
    return set(re.findall(r"^#([A-Z]\w+)=", (UNITS / "etc" / f"{service}.env").read_text(), re.MULTILINE))


def test_what_the_examples_offer_is_read() -> None:
    for service in ("issuer", "revoker", "notifier", "ocsp"):
        assert offered(service) <= set().union(*map(names, settings_of(service)))
    assert offered("crl") <= {str(it.envvar) for it in crl.serve.params}
    assert {"SERVICECERT_CRL_INTERNAL_URL", "SERVICECERT_OCSP_INTERNAL_URL"} <= offered("revoker")
    assert offered("ocsp") == offered("crl") == {"SERVICECERT_PROXY_NETWORKS"}
    assert offered("notifier") == {"SMTP_CA_FILE"}


def test_the_proxy_s_example_has_the_names_and_ports_of_the_settings() -> None:
    proxy = (CHECKOUT / "deploy" / "proxy" / "haproxy.cfg").read_text()
    named = identity_in(CHECKOUT / "deploy" / "kubernetes" / "base").repository
    assert named is not None
    for each, url in (("crl", named.crls), ("ocsp", named.ocsp or "")):
        assert f"acl is_{each} hdr_dom(host) -i {urlsplit(url).hostname}" in proxy
    assert f"#server crl-1 machine-1.example.fi:{environment('crl')['SERVICECERT_CRL_PORT']}\n" in proxy
    port, health = ResponderSettings.model_fields["ocsp_port"].default, environment("ocsp")["SERVICECERT_HEALTH_PORT"]
    assert f"#server ocsp-1 machine-1.example.fi:{port} check port {health}\n" in proxy


def test_a_responder_may_wait_for_a_revoker_for_any_time() -> None:
    assert unit("ocsp")["Type"] == ["notify"]
    assert unit("ocsp")["TimeoutStartSec"] == ["infinity"]


def test_the_exporter_may_start_in_an_outage_and_show_it() -> None:
    assert unit("lag")["Type"] == ["notify"]
    assert unit("lag")["TimeoutStartSec"] == ["infinity"]


def test_only_the_revoker_writes() -> None:
    writers = {
        each: unit(each)["ReadWritePaths"] for each in (*WORKERS, *WATCHERS, "crl") if "ReadWritePaths" in unit(each)
    }
    assert writers == {"revoker": [environment("revoker")["SERVICECERT_CRL_DIR"]]}
    assert environment("crl")["SERVICECERT_CRL_DIR"] == environment("revoker")["SERVICECERT_CRL_DIR"]
    assert set(environment("crl")) <= {str(it.envvar) for it in crl.serve.params}


def test_f4_one_service_logs_in_by_a_certificate_without_a_change_for_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    identity, common = TrialCa().issue("issuer"), UNITS / "etc" / "servicecert.env"
    for name, content in (("kafka.crt", identity.certificate), ("kafka.key", identity.key)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(content)
    own = {"KAFKA_CERTIFICATE_FILE": f"{tmp_path}/kafka.crt", "KAFKA_KEY_FILE": f"{tmp_path}/kafka.key"}
    own |= {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SASL_USERNAME": "", "KAFKA_SASL_PASSWORD_FILE": ""}
    assert all(name in common.read_text() for name in own)
    # systemd reads a unit's files after what the unit sets, and a later file counts.
    for name, value in {**environment("issuer"), "KAFKA_CA_FILE": "", **own}.items():
        monkeypatch.setenv(name, value)
    assert KafkaAccess().environment == {name: value for name, value in own.items() if value}


@pytest.mark.parametrize("job", NIGHTLY)
def test_a_job_runs_each_night(job: str) -> None:
    timer = read(f"servicecert-{job}.timer")
    found = re.fullmatch(r"\*-\*-\* (\d\d):(\d\d):00 (\S+)", timer["OnCalendar"][0])
    assert found
    assert is_once_a_day(int(found[1]), int(found[2]), found[3])
    assert timer["WantedBy"] == ["servicecert.target"]
    assert unit(job)["Type"] == ["oneshot"]
