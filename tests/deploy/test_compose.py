"""docker-compose.yml is what Compose understands, gives no secret away, and keeps the CA's keys to who signs."""

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from pydantic_settings import BaseSettings
from servicecert_cli.operations import compose_secrets
from servicecert_pki.identity import FICTITIOUS_FILE
from servicecert_revoker.ocsp.settings import Settings as ResponderSettings
from servicecert_worker.runtime.settings import WorkerSettings

from docs import pages

CHECKOUT = Path(__file__).resolve().parents[2]

_spec = spec_from_file_location("pin_images", CHECKOUT / "deploy" / "pin_images.py")
assert _spec is not None
assert _spec.loader is not None
pin_images = module_from_spec(_spec)
_spec.loader.exec_module(pin_images)

TEXT = (CHECKOUT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
WORKERS = ("intake", "issuer", "revoker", "notifier")
RUNTIMES = {field.alias for field in WorkerSettings.model_fields.values()}
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)")
PROXY = (CHECKOUT / "deploy" / "proxy" / "haproxy.cfg").read_text()
DOCKERFILE = (CHECKOUT / "deploy" / "Dockerfile").read_text()


def test_it_fits_the_compose_schema() -> None:
    jsonschema.validate(COMPOSE, get_builtin_schema("vendor.compose-spec"))


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda compose: compose["services"]["kafka"].update(imagee="x"), id="unknown name"),
        pytest.param(lambda compose: compose["services"]["kafka"].update(ports=9092), id="wrong type"),
    ],
)
def test_the_schema_would_notice(break_it: Any) -> None:
    compose = yaml.safe_load(TEXT)
    break_it(compose)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(compose, get_builtin_schema("vendor.compose-spec"))


def test_what_it_refers_to_is_there() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"]), name
        sources = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {each for each in sources if not each.startswith(".")} <= set(COMPOSE["volumes"]), name
        assert all((CHECKOUT / each).exists() for each in sources if each.startswith(".")), name
    for name, service in OURS.items():
        assert (CHECKOUT / service["build"]["dockerfile"]).is_file(), name


@pytest.mark.parametrize("worker", WORKERS)
def test_each_service_waits_for_the_preparation(worker: str) -> None:
    service = SERVICES[worker]
    assert service["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("worker", WORKERS)
def test_the_settings_of_a_service_take_its_environment(worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: type[BaseSettings] = import_module(f"servicecert_{worker}.settings").Settings
    given: dict[str, str] = SERVICES[worker]["environment"]
    for name, value in given.items():
        # The access to Kafka is judged by its files, which are not here.
        if not name.startswith("KAFKA_") or name == "KAFKA_BOOTSTRAP_SERVERS":
            monkeypatch.setenv(name, value)
    if "SERVICECERT_AUTHORITY_FILE" in given:
        monkeypatch.setenv("SERVICECERT_AUTHORITY_FILE", str(FICTITIOUS_FILE))
    settings()
    known = {field.alias or name.upper() for name, field in settings.model_fields.items()}
    assert set(given) <= known | RUNTIMES


def test_the_revoker_takes_the_bucket_of_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "publishing.md").read_text()
    more = yaml.safe_load(page.partition("## CRLs in a bucket")[2].partition("```yaml\n")[2].partition("```")[0])
    jsonschema.validate(more, get_builtin_schema("vendor.compose-spec"))
    given = more["services"]["revoker"]
    assert set(given["secrets"]) == set(more["secrets"])
    (secret := tmp_path / "secret").write_text("a secret\n")
    secret.chmod(0o400)
    for name, value in {**SERVICES["revoker"]["environment"], **given["environment"]}.items():
        monkeypatch.setenv(name, str(secret) if value == "/run/secrets/crl-s3" else value)
    (publisher,) = import_module("servicecert_revoker.settings").Settings().publishers()
    assert publisher.where == "bucket crls at https://s3.example.fi"


def test_a_responder_takes_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compose_secrets.write(tmp_path, {})
    service, own = SERVICES["ocsp"], str(tmp_path / "kafka" / "ocsp-responder")
    assert "kafka-ocsp-responder:/run/servicecert-kafka:ro" in service["volumes"]
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value.replace("/run/servicecert-kafka", own))
    settings = ResponderSettings()
    assert set(service["environment"]) <= {field.alias for field in ResponderSettings.model_fields.values()}
    assert f"server-template ocsp- 8 ocsp:{settings.ocsp_port} check port {settings.health_port}" in PROXY


def test_crls_and_ocsp_are_at_the_proxy_by_the_name_that_certificates_have() -> None:
    (name,) = SERVICES["proxy"]["networks"]["pki"]["aliases"]
    (made,) = [word for word in SERVICES["prepare"]["command"] if "servicecert ca init" in word]
    assert f"ca init --crl-base-url http://{name}:8080/crl --ocsp-url http://{name}:8080/ocsp" in made
    assert '"$$SERVICECERT_CA_DIR"/authority.toml' in made
    assert "127.0.0.1:8080:8080" in SERVICES["proxy"]["ports"]
    assert "server-template crl- 8 crl:8080" in PROXY


def test_f4_each_process_is_the_user_that_its_volume_makes_it_and_none_tolerates_a_broker_in_the_clear() -> None:
    users = {
        name: {each.partition(":")[0] for each in service["volumes"] if each.endswith(":/run/servicecert-kafka:ro")}
        for name, service in SERVICES.items()
        if "KAFKA_BOOTSTRAP_SERVERS" in service.get("environment", {})
    }
    assert users.pop("prepare") == set()
    assert users == {
        **{name: {f"kafka-{name}"} for name in (*WORKERS, "e-service", "operator", "auditor")},
        "ocsp": {"kafka-ocsp-responder"},
        "erase": {"kafka-eraser"},
        "lag": {"kafka-monitoring"},
        "canary": {"kafka-canary"},
        "prepare-topics": {"kafka-administrator"},
        "prepare-registers": {"kafka-registers-loader"},
    }
    assert "kafka-broker:/run/servicecert-kafka:ro" in SERVICES["kafka"]["volumes"]
    drawn = {each for each in SERVICES["prepare-secrets"]["volumes"] if each.startswith("kafka-")}
    assert drawn == {
        f"kafka-{each}:/run/servicecert-secrets/kafka/{each}" for each in ("broker", *compose_secrets.USERS)
    }
    assert "PLAINTEXT" not in str(SERVICES["kafka"]["environment"])


def test_f4_no_process_tolerates_an_unsafe_surrounding() -> None:
    assert "SERVICECERT_INSECURE" not in TEXT


def network(name: str) -> set[str]:
    """Return who is in a network."""
    return {each for each, service in SERVICES.items() if name in service.get("networks", ())}


def test_f4_nobody_reaches_a_server_that_is_not_given_a_login_there() -> None:
    """As the NetworkPolicies of deploy/kubernetes have it."""
    logins = {
        name
        for name, service in SERVICES.items()
        if any(re.fullmatch("secrets-[a-z]+:/run/servicecert:ro", each) for each in service.get("volumes", ()))
    }
    assert network("database") - {"postgres"} == logins
    assert COMPOSE["networks"]["database"] == {"internal": True}
    users = {
        name
        for name, service in SERVICES.items()
        if any(each.endswith(":/run/servicecert-kafka:ro") for each in service.get("volumes", ()))
    }
    assert network("kafka") == users
    assert network("mail") == {"mail", "notifier"}
    assert network("pki") == {"proxy", "crl", "ocsp", "revoker", "canary"}
    scraped = {name for name, service in OURS.items() if any("::8000" in each for each in service.get("ports", ()))}
    assert network("monitoring") == {*scraped, "prometheus", "grafana"}
    alone = {name for name, service in SERVICES.items() if "networks" not in service}
    assert alone == {"prepare-secrets", "prepare-service-keys", "prepare"}
    assert {SERVICES[name]["network_mode"] for name in alone} == {"none"}


@pytest.mark.parametrize("service", [*WORKERS, "crl", "ocsp"])
def test_each_service_can_be_scaled(service: str) -> None:
    """A fixed port, a name or a network of another container would be there once only."""
    scaled = SERVICES[service]
    assert "container_name" not in scaled
    assert "network_mode" not in scaled
    assert all(port.startswith("127.0.0.1::") for port in scaled.get("ports", []))


@pytest.mark.parametrize("service", [*WORKERS, "ocsp", "lag", "canary"])
def test_metrics_are_reachable_from_the_host_and_a_frozen_process_is_killed(service: str) -> None:
    environment, ports = SERVICES[service]["environment"], SERVICES[service]["ports"]
    assert environment["SERVICECERT_HEALTH_HOST"] == "0.0.0.0"
    assert ports == [f"127.0.0.1::{environment['SERVICECERT_HEALTH_PORT']}"]
    assert SERVICES[service]["healthcheck"]["test"] == ["CMD", "python", "-m", "servicecert_worker.process.probe"]
    assert SERVICES[service]["init"] is True
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_every_worker_may_end_in_order() -> None:
    """A worker ends within 10 s (docs/install.md); Compose kills it after this time."""
    for service in (*WORKERS, "ocsp"):
        assert int(SERVICES[service]["stop_grace_period"].removesuffix("s")) > 10


def test_no_secret_is_one_that_docker_refuses() -> None:
    """Docker cannot mount a secret from the environment into a container with a read-only root; podman can."""
    assert "secrets" not in COMPOSE
    assert not any("secrets" in service for service in SERVICES.values())


def test_the_variables_of_env_are_those_that_are_drawn_where_they_are_missing() -> None:
    example = dict(
        line.split("=", 1)
        for line in (CHECKOUT / "deploy" / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert example == dict.fromkeys(compose_secrets.VARIABLES, "")
    assert SERVICES["prepare-secrets"]["environment"] == {name: f"${{{name}:-}}" for name in example}
    for name, service in SERVICES.items():
        if name != "prepare-secrets":
            assert not [each for each in VARIABLE.findall(str(service)) if not each.endswith("_IMAGE")], name


def test_each_service_sees_its_own_secrets_only() -> None:
    secrets = {
        name: {volume.split(":")[0] for volume in service.get("volumes", []) if volume.startswith("secrets-")}
        for name, service in SERVICES.items()
    }
    assert {name for name, seen in secrets.items() if "secrets-ca" in seen} == {
        "prepare-secrets",
        "prepare",
        "issuer",
        "revoker",
    }
    for worker in WORKERS:
        assert secrets[worker] - {"secrets-ca"} == {f"secrets-{worker}"}
        assert f"secrets-{worker}:/run/servicecert:ro" in SERVICES[worker]["volumes"]
        file = SERVICES["prepare-database"]["environment"][f"SERVICECERT_{worker.upper()}_DATABASE_PASSWORD_FILE"]
        assert file == f"/run/servicecert-secrets/{worker}/password"
    assert {name for name, seen in secrets.items() if "secrets-admin" in seen} == {
        "prepare-secrets",
        "prepare-database",
    }
    for login, user in (("migrator", "migrate-database"), ("eraser", "erase")):
        assert {name for name, seen in secrets.items() if f"secrets-{login}" in seen} == {
            "prepare-secrets",
            "prepare-database",
            user,
        }
        assert f"secrets-{login}:/run/servicecert:ro" in SERVICES[user]["volumes"]


def test_I10_only_who_signs_holds_the_keys() -> None:
    mounted = {
        name for name, service in SERVICES.items() if any(v.startswith("ca:") for v in service.get("volumes", []))
    }
    assert mounted == {"prepare", "issuer", "revoker"}


def test_F2_whom_a_responder_trusts_as_a_ca_no_service_can_write() -> None:
    held = {
        (name, volume)
        for name, service in SERVICES.items()
        for volume in service.get("volumes", [])
        if volume.startswith("ca-certificates:")
    }
    folder = "/var/lib/servicecert/ca-certificates"
    assert held == {
        ("prepare", f"ca-certificates:{folder}"),
        ("ocsp", f"ca-certificates:{folder}:ro"),
        ("notifier", f"ca-certificates:{folder}:ro"),
        ("canary", f"ca-certificates:{folder}:ro"),
    }
    assert SERVICES["notifier"]["environment"]["SERVICECERT_AUTHORITY_FILE"] == f"{folder}/authority.toml"
    assert SERVICES["ocsp"]["environment"]["SERVICECERT_OCSP_CA_CERTIFICATES"] == folder
    assert SERVICES["canary"]["environment"]["SERVICECERT_CANARY_CA_CERTIFICATES"] == folder


def test_F2_B6_each_service_has_its_own_key_alone_and_all_public_ones_and_no_other_is_in_its_reach() -> None:
    made, folder = SERVICES["prepare-service-keys"], "/var/lib/servicecert/service-keys"
    assert f"service-keys:{folder}/public" in made["volumes"]
    assert f"{folder}/public" in DOCKERFILE
    for worker in WORKERS:
        key = SERVICES[worker]["environment"]["SERVICECERT_SERVICE_KEY_FILE"]
        assert key == f"{folder}/{worker}/{worker}.key"
        held = [volume for volume in SERVICES[worker]["volumes"] if volume.startswith("service-key")]
        assert held == [f"service-key-{worker}:{folder}/{worker}:ro", f"service-keys:{folder}/public:ro"]
        assert f"service-key-{worker}:{folder}/{worker}" in made["volumes"]
        assert f"{folder}/{worker}" in DOCKERFILE
    for reader in (*WORKERS, "ocsp"):
        assert SERVICES[reader]["environment"]["SERVICECERT_SERVICE_KEYS"] == f"{folder}/public"
        assert f"service-keys:{folder}/public:ro" in SERVICES[reader]["volumes"]
    holders = {name for name, service in SERVICES.items() if "service-key-" in str(service.get("volumes"))}
    assert holders == {*WORKERS, "prepare-service-keys"}


def test_an_interrupted_first_start_makes_the_keys_that_are_not_there_and_no_others(tmp_path: Path) -> None:
    folder = "/var/lib/servicecert/service-keys"
    script = SERVICES["prepare-service-keys"]["command"][-1].replace("$$", "$").replace(folder, str(tmp_path))
    assert str(tmp_path) in script

    def start() -> dict[str, int]:
        subprocess.run(["sh", "-c", script], check=True, env={"PATH": f"{Path(sys.executable).parent}:/bin:/usr/bin"})
        return {str(path.relative_to(tmp_path)): path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}

    made = start()
    assert sorted(made) == sorted(path for it in WORKERS for path in (f"{it}/{it}.key", f"public/{it}.pub"))
    for each in ("issuer/issuer.key", "public/issuer.pub"):
        (tmp_path / each).unlink()
    again = start()
    assert again.keys() == made.keys()
    assert {path for path in made if again[path] != made[path]} == {"issuer/issuer.key", "public/issuer.pub"}


def test_ports_are_opened_to_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_kafka_is_the_version_that_is_embedded() -> None:
    listed = (CHECKOUT / "launcher" / "servicecert_launcher" / "kafka.sha256").read_text()
    version = pin_images.images()["KAFKA_IMAGE"].partition(":")[2]
    assert f"kafka_2.13-{version}.jar" in listed


def test_the_image_copies_what_exists_and_runs_as_nobody_special() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    assert sources
    assert all((CHECKOUT / source).exists() for source in sources)
    assert "\nUSER servicecert\n" in DOCKERFILE
    assert all(
        "--require-hashes" in line or "/wheels" in line
        for line in DOCKERFILE.splitlines()
        if re.search(r"pip .*install", line)
    )
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "pip install" not in final, "what installs and builds stays behind"
    assert re.findall(r"^COPY (.+)$", final, re.MULTILINE) == ["--from=build /opt/servicecert /opt/servicecert"]


def test_the_image_has_a_folder_for_each_volume_that_its_user_writes() -> None:
    """Docker makes a missing one as root's, and then nobody of ours may write there; podman does not."""
    (made,) = re.findall(r"^RUN (useradd .*?)^USER", DOCKERFILE.replace("\\\n", ""), re.MULTILINE | re.DOTALL)
    place, folders = Path("/"), set()
    for words in (command.split() for command in made.split("&&")):
        if words[0] == "cd":
            place /= words[1]
        if words[0] == "install":
            folders |= {str(place / word) for word in words[1:]}
    volumes = [volume for service in OURS.values() for volume in service.get("volumes", [])]
    assert {volume.split(":")[1] for volume in volumes if not volume.endswith(":ro")} <= folders


def test_each_image_is_pinned_by_the_digest_that_its_tag_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for skopeo: what it is asked for, and what it answers."""
    foreign = {service["image"] for service in SERVICES.values() if "build" not in service}
    assert len(foreign) == 6
    named = {name: f"${{{name}:-{image}}}" for name, image in pin_images.images().items()}
    assert foreign | {OURS["intake"]["build"]["args"]["PYTHON_IMAGE"]} == set(named.values())
    assert f"\nARG PYTHON_IMAGE={pin_images.images()['PYTHON_IMAGE']}\n" in DOCKERFILE
    skopeo = tmp_path / "skopeo"
    skopeo.write_text('#!/bin/sh\nfor last; do :; done\necho "$last" >> "$0.asked"\nprintf "sha256:%064d" 7\n')
    skopeo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    before = f"# mine\nPOSTGRES_PASSWORD=x\nKAFKA_IMAGE=apache/kafka@sha256:{9:064}\n"
    assert set(pin_images.unpinned(before)) == set(named) - {"KAFKA_IMAGE"}
    pinned = pin_images.pin(before)
    assert pinned == pin_images.pin(pinned), "again nothing changes"
    assert pinned.startswith("# mine\nPOSTGRES_PASSWORD=x\n# image ")
    assert f"# image postgres:18\nPOSTGRES_IMAGE=postgres@sha256:{7:064}\n" in pinned
    assert pin_images.unpinned(pinned) == {}
    asked = (tmp_path / "skopeo.asked").read_text().split()
    assert {"docker://docker.io/library/postgres:18", "docker://docker.io/apache/kafka:4.3.1"} <= set(asked)


def test_the_page_lists_the_images() -> None:
    listed = {row[0].strip("`") for row in pages.rows(CHECKOUT / "docs" / "dependencies.md", "images")}
    assert listed == {image.partition(":")[0] for image in pin_images.images().values()}


def test_an_image_without_a_digest_is_named_and_a_registry_that_does_not_answer_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pin_images, "ENVIRONMENT", tmp_path / ".env")
    monkeypatch.setattr("sys.argv", ["pin_images", "--check"])
    with pytest.raises(SystemExit, match=r"Not pinned by a digest: .*postgres:18"):
        pin_images.main()
    monkeypatch.setattr("sys.argv", ["pin_images"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="install skopeo or Docker"):
        pin_images.main()
    (tmp_path / "docker").write_text("#!/bin/sh\necho no such image >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    with pytest.raises(SystemExit, match=r"docker does not find \S+: no such image"):
        pin_images.main()
    assert not (tmp_path / ".env").exists()


def test_the_image_is_given_only_what_the_lock_of_the_checkout_pins() -> None:
    pin = re.compile(r"^(\S.*==\S+)", re.MULTILINE)
    small, whole = (
        set(pin.findall((CHECKOUT / path).read_text())) for path in ("deploy/requirements.lock", "requirements.lock")
    )
    assert small
    assert small < whole


def test_the_image_is_given_all_that_the_project_needs() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[\[~]", requirement)[0] for requirement in project["dependencies"]} - {"servicecert-schemas"}
    given = set(re.findall(r"^([\w.-]+)", (CHECKOUT / "deploy" / "requirements.lock").read_text(), re.MULTILINE))
    assert needed <= given
