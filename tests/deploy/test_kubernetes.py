"""deploy/kubernetes is what Kubernetes understands, and each workload is given its own settings and secrets only.

These tests read the files as they stand. What kustomize makes of them is in test_kubernetes_rendered.py.
"""

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from manifests import (
    BASE,
    BASE_MAPS,
    BY_NAME,
    DEPLOYED,
    KUBERNETES,
    MANY,
    NEWEST,
    NIGHTLY,
    OLDEST,
    ONE,
    PAGE,
    PLAIN,
    PODS,
    PRODUCTION,
    PRODUCTION_MAPS,
    SECRETS,
    SHELLS,
    TEMPLATES,
    containers,
    environment,
    is_once_a_day,
    kustomization,
    names,
    settings_of,
)
from servicecert_cli.main import main
from servicecert_revoker.serving import crl_server
from servicecert_revoker.serving.admission import limits
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core import secret_files
from servicecert_worker.core.access import KafkaAccess
from servicecert_worker.storage.database import LOGINS

from docs import pages

HARDENED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_fits_the_schemas_of_kubernetes(version: str) -> None:
    for each in PLAIN:
        kubernetes_validate.validate(each, version, strict=True)


def test_the_schemas_would_notice() -> None:
    broken = yaml.safe_load(yaml.safe_dump(BY_NAME["Deployment", "intake"]))
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


@pytest.mark.parametrize("folder", [BASE, PRODUCTION], ids=["base", "production"])
def test_every_file_is_used(folder: Path) -> None:
    files = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == {name for name in kustomization(folder)["resources"] if name.endswith(".yaml")}


def test_all_services_and_jobs_are_there() -> None:
    assert set(PODS) == {*DEPLOYED, *NIGHTLY, *SHELLS, "prepare"}


OWNERS = {"erase": "eraser", **SHELLS}
"""Whose Secret a job has, if it is not its own."""
ACCOUNTS = dict.fromkeys(NIGHTLY, "nightly") | OWNERS | {"operator-shell": "nightly"}
"""Whose account a job has, if it is not its own."""


@pytest.mark.parametrize("component", PODS)
def test_a_pod_has_no_rights_that_it_does_not_need(component: str) -> None:
    pod = PODS[component]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["serviceAccountName"] == ACCOUNTS.get(component, component)
    assert BY_NAME["ServiceAccount", pod["serviceAccountName"]]["automountServiceAccountToken"] is False
    for container in containers(pod):
        assert container["securityContext"] == HARDENED
        assert container["image"] == "servicecert"
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("component", PODS)
def test_commands_exist(component: str) -> None:
    for container in containers(PODS[component]):
        if "command" not in container and component not in SHELLS:
            program, *words = container["args"]
            assert program == "servicecert"
            command: click.Command = main
            while isinstance(command, click.Group):
                found = command.get_command(click.Context(command), words.pop(0))
                assert found is not None, container["args"]
                command = found
            command.make_context("servicecert", words, resilient_parsing=True)
            options = {name for parameter in command.params for name in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("of", [BASE_MAPS, PRODUCTION_MAPS], ids=["base", "production"])
@pytest.mark.parametrize("component", [*SERVICES, "ocsp", *ONE])
def test_the_settings_of_a_service_take_its_environment(
    component: str, of: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The secrets are laid out as the kubelet does: links into a folder that is replaced as a whole."""
    (tmp_path / "..data").mkdir()
    for key in keys_of(component, of):
        (tmp_path / "..data" / key).touch(mode=0o600)
        (tmp_path / "..data" / key).write_text("postgresql://a:b@c/d\n" if key == "DATABASE_URL" else "secret\n")
        (tmp_path / key).symlink_to(f"..data/{key}")
    monkeypatch.setattr("ssl.create_default_context", lambda cafile=None: Path(cafile).read_text())
    given = environment(PODS[component]["containers"][0], of)
    for name, value in given.items():
        there = value.replace(SECRETS, f"{tmp_path}/").replace("/etc/servicecert/authority", f"{KUBERNETES}/base")
        monkeypatch.setenv(name, there)
    for settings in settings_of(component):
        settings(**({"_secrets_dir": tmp_path} if "database_url" in settings.model_fields else {}))
    assert set(given) <= set().union(*map(names, settings_of(component)))


@pytest.mark.parametrize("component", ["prepare", *NIGHTLY, "operator-shell"])
def test_jobs_are_given_only_what_commands_read(component: str) -> None:
    passwords = {f"SERVICECERT_{each.upper()}_DATABASE_PASSWORD_FILE" for each in (*SERVICES, *LOGINS)}
    known = names(KafkaAccess) | {"KAFKA_BOOTSTRAP_SERVERS", "SERVICECERT_SERVICE_KEYS"}
    for container in containers(PODS[component]):
        mine = known | passwords if container["name"] == "roles" else known
        assert set(environment(container, PRODUCTION_MAPS)) <= mine


def keys_of(component: str, of: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Return the keys that a workload needs in its Secret."""
    found = set()
    for container in PODS[component]["containers"] + PODS[component].get("initContainers", []):
        given = environment(container, of).values()
        found |= {value.removeprefix(SECRETS) for value in given if value.startswith(SECRETS)}
        if "kafka-username" in given:
            found.add("kafka-username")
    return found | ({"DATABASE_URL"} if component not in ("ocsp", "crl", "canary") else set())


def test_the_page_lists_the_keys_of_every_secret() -> None:
    listed = {row[0].strip("`"): set(re.findall(r"`([^`]+)`", row[1])) for row in pages.rows(PAGE, "secrets")}
    owners = ("prepare", *SERVICES, "ocsp", *ONE, *NIGHTLY, "operator-shell")
    expected = {OWNERS.get(each, each): keys_of(each, PRODUCTION_MAPS) | keys_of(each, BASE_MAPS) for each in owners}
    scaler = {each["key"] for each in BY_NAME["TriggerAuthentication", "kafka"]["spec"]["secretTargetRef"]}
    assert listed == {**expected, "ca": {"ca.tar.gz"}, "scaler": scaler, "migrator": {"DATABASE_URL"}}


@pytest.mark.parametrize("component", PODS)
def test_I10_each_workload_sees_its_own_secret_only_and_who_signs_the_ca(component: str) -> None:
    seen = {each["secret"]["secretName"] for each in PODS[component]["volumes"] if "secret" in each}
    seen |= {
        entry["valueFrom"]["secretKeyRef"]["name"]
        for container in containers(PODS[component])
        for entry in container.get("env", [])
        if "valueFrom" in entry
    }
    own = set() if component == "crl" else {OWNERS.get(component, component)}
    own |= {"migrator"} if component == "prepare" else set()
    assert seen == own | ({"ca"} if SHELLS.get(component, component) in ("issuer", "revoker") else set())


def test_F2_B6_each_service_signs_with_a_key_of_its_own_secret_and_knows_all_public_ones() -> None:
    for component in SERVICES:
        given = environment(PODS[component]["containers"][0], PRODUCTION_MAPS)
        assert given["SERVICECERT_SERVICE_KEY_FILE"] == f"{SECRETS}service.key"
    for component in (*SERVICES, "ocsp", "canary", "audit-verify"):
        (container,) = PODS[component]["containers"]
        folder = environment(container, PRODUCTION_MAPS)["SERVICECERT_SERVICE_KEYS"]
        mount = {"name": "service-keys", "mountPath": folder, "readOnly": True}
        assert mount in container["volumeMounts"]
        assert {"name": "service-keys", "configMap": {"name": "service-keys"}} in PODS[component]["volumes"]


@pytest.mark.parametrize("component", PODS)
def test_I10_no_process_finds_its_secrets_open_to_others(component: str) -> None:
    """The kubelet gives the files to root and the group fsGroup."""
    pod = PODS[component]
    user, group, own = (pod["securityContext"][each] for each in ("runAsUser", "fsGroup", "runAsGroup"))
    for mode in (each["secret"]["defaultMode"] for each in pod["volumes"] if "secret" in each):
        status = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, 0, group, 0, 0, 0, 0))
        assert not secret_files.is_open_to_others(status, user, {own, group})


def mounts(component: str) -> Iterator[tuple[str, bool]]:
    for mount in PODS[component]["containers"][0]["volumeMounts"]:
        yield mount["name"], mount.get("readOnly", False)


def test_only_the_revoker_writes_the_crls() -> None:
    seen = {(each, read_only) for each in PODS for name, read_only in mounts(each) if name == "crls"}
    assert seen == {("revoker", False), ("revoker-shell", False), ("crl", True)}
    assert BY_NAME["PersistentVolumeClaim", "crls"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_F2_whom_a_responder_trusts_as_a_ca_no_service_can_write() -> None:
    volume = {"name": "ca-certificates", "configMap": {"name": "ca-certificates"}}
    mount = {"name": "ca-certificates", "mountPath": "/etc/servicecert/ca-certificates", "readOnly": True}
    assert {each for each in PODS if volume in PODS[each]["volumes"]} == {"ocsp", "canary"}
    assert all(mount in PODS[each]["containers"][0]["volumeMounts"] for each in ("ocsp", "canary"))
    for component in ("ocsp", "canary"):
        given = environment(PODS[component]["containers"][0], PRODUCTION_MAPS)
        assert given[f"SERVICECERT_{component.upper()}_CA_CERTIFICATES"] == mount["mountPath"]


def test_nobody_writes_the_ca_but_who_unpacks_it() -> None:
    assert {(each, ro) for each in PODS for name, ro in mounts(each) if name == "ca"} == {
        *((name, True) for name in ("issuer", "revoker", "issuer-shell", "revoker-shell")),
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_nobody_but_an_operator_starts_a_shell_and_it_ends_by_itself(shell: str) -> None:
    spec = BY_NAME["CronJob", shell]["spec"]
    assert spec["suspend"] is True
    job = spec["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 0
    assert job["template"]["spec"]["containers"][0]["args"] == ["sleep", "4h"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_s_shell_is_its_pod_without_the_worker(service: str) -> None:
    (worker,), (shell,) = PODS[service]["containers"], PODS[f"{service}-shell"]["containers"]
    given = environment(worker, PRODUCTION_MAPS)
    health = {name for name in given if "_HEALTH_" in name}
    assert environment(shell, PRODUCTION_MAPS) == {name: given[name] for name in given.keys() - health}
    assert shell["volumeMounts"] == worker["volumeMounts"]
    assert PODS[f"{service}-shell"]["volumes"] == PODS[service]["volumes"]


def test_I10_an_operator_s_shell_has_no_service_s_key() -> None:
    (container,) = PODS["operator-shell"]["containers"]
    given = environment(container, PRODUCTION_MAPS)
    assert set(given) == {
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_SECURITY_PROTOCOL",
        "KAFKA_CA_FILE",
        "KAFKA_SASL_USERNAME",
        "KAFKA_SASL_PASSWORD_FILE",
        "SERVICECERT_SERVICE_KEYS",
    }
    assert {each["name"] for each in container["volumeMounts"]} == {"tmp", "secrets", "service-keys"}


@pytest.mark.parametrize("component", DEPLOYED)
def test_a_rollout_never_stops_two_at_once_and_gives_time_to_end(component: str) -> None:
    """A worker ends within 10 s of SIGTERM (docs/install.md), after the pause that takes it out of its Service."""
    deployment = BY_NAME["Deployment", component]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= TEMPLATES[component]["metadata"]["labels"].items()
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    (container,) = PODS[component]["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"] if "lifecycle" in container else 0
    assert bool(pause) is (("Service", component) in BY_NAME)
    assert PODS[component]["terminationGracePeriodSeconds"] >= pause + 20


@pytest.mark.parametrize("component", MANY)
def test_what_runs_on_several_nodes_is_spread_and_evicted_one_by_one(component: str) -> None:
    deployment = BY_NAME["Deployment", component]
    budget = BY_NAME["PodDisruptionBudget", component]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployment["spec"]["selector"]
    spread = PODS[component]["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert all(each["labelSelector"] == deployment["spec"]["selector"] for each in spread)


@pytest.mark.parametrize("component", [*SERVICES, "ocsp", *ONE])
def test_probes_ask_the_health_port(component: str) -> None:
    (container,) = PODS[component]["containers"]
    port = int(environment(container, BASE_MAPS)["SERVICECERT_HEALTH_PORT"])
    assert {"name": "health", "containerPort": port} in container["ports"]
    assert environment(container, BASE_MAPS)["SERVICECERT_HEALTH_HOST"] == "0.0.0.0"
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    paths = {"startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready"}
    assert asked == {probe: {"path": path, "port": "health"} for probe, path in paths.items()}


@pytest.mark.parametrize("component", ONE)
def test_what_only_watches_runs_once_and_may_always_be_evicted(component: str) -> None:
    assert BY_NAME["Deployment", component]["spec"]["replicas"] == 1
    assert ("PodDisruptionBudget", component) not in BY_NAME


def test_the_ca_is_unpacked_as_it_was_packed(tmp_path: Path) -> None:
    (folder := tmp_path / "ca" / "issuing").mkdir(parents=True)
    (folder / "production-ec.pem").write_text("a certificate")
    run("tar", "-czf", str(tmp_path / "ca.tar.gz"), "-C", str(tmp_path / "ca"), ".")
    (tmp_path / "mounted").mkdir()
    (unpack,) = PODS["issuer"]["initContainers"]
    assert unpack == PODS["revoker"]["initContainers"][0]
    packed, mounted = unpack["args"]
    assert {packed.rpartition("/")[0], mounted} == {each["mountPath"] for each in unpack["volumeMounts"]}
    python, *words = unpack["command"]
    assert python == "python"
    if sys.version_info < (3, 11, 4):
        # The image's Python is newer; here the option does not exist yet.
        assert words[2:4] == ["--filter", "data"]
        del words[2:4]
    run(sys.executable, *words, str(tmp_path / "ca.tar.gz"), str(tmp_path / "mounted"))
    assert (tmp_path / "mounted" / "issuing" / "production-ec.pem").read_text() == "a certificate"


@pytest.mark.parametrize("job", NIGHTLY)
def test_a_job_runs_each_night_also_when_clocks_are_changed(job: str) -> None:
    spec = BY_NAME["CronJob", job]["spec"]
    minute, hour, *days = spec["schedule"].split()
    assert days == ["*", "*", "*"]
    assert is_once_a_day(int(hour), int(minute), spec["timeZone"])
    assert not is_once_a_day(3, 30, spec["timeZone"])


@pytest.mark.parametrize("most_connections", [10, 0], ids=["free", "full"])
async def test_a_server_of_crls_lives_while_it_answers_or_is_full(tmp_path: Path, most_connections: int) -> None:
    (container,) = PODS["crl"]["containers"]
    _, option, script = container["livenessProbe"]["exec"]["command"]
    async with crl_server.serve(tmp_path, "127.0.0.1", 0, limits=limits(most_connections)) as address:
        script = script.replace("8080", address.rpartition(":")[2])
        await asyncio.to_thread(run, sys.executable, option, script)
    with pytest.raises(subprocess.CalledProcessError):
        run(sys.executable, option, script)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def test_f4_every_pod_logs_in_over_tls_as_a_user_of_its_own() -> None:
    for component, pod in PODS.items():
        for container in containers(pod):
            given = environment(container, BASE_MAPS)
            assert "SERVICECERT_INSECURE" not in given
            if "KAFKA_BOOTSTRAP_SERVERS" in given:
                assert (component, given["KAFKA_SECURITY_PROTOCOL"]) == (component, "SASL_SSL")
                (name,) = (each for each in container["env"] if each["name"] == "KAFKA_SASL_USERNAME")
                assert name["valueFrom"]["secretKeyRef"] == {
                    "name": OWNERS.get(component, component),
                    "key": "kafka-username",
                }


def test_f4_the_users_of_strimzi_are_those_of_the_command() -> None:
    """Made anew by `servicecert topics acls --strimzi kafka > deploy/kubernetes/strimzi/users.yaml`."""
    made = CliRunner().invoke(main, ["topics", "acls", "--strimzi", "kafka"]).stdout
    assert (BASE.parent / "strimzi" / "users.yaml").read_text() == made
