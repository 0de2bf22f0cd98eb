"""`up`: the files by which another terminal becomes a user of the broker (F4)."""

import shutil
import subprocess
from types import SimpleNamespace

import pytest
from servicecert_cli.commands.up import write_environment, write_users
from servicecert_cli.operations.broker_identities import ADMINISTRATOR
from servicecert_cli.stand.identities import Identities
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import SERVICES


@pytest.fixture
def system(tmp_path):
    """A system's addresses and identities, without its processes."""
    identities = Identities.make(tmp_path / "private" / "kafka")
    parts = SimpleNamespace(kafka=SimpleNamespace(bootstrap="a:1", certificates_bootstrap="a:2"))
    return SimpleNamespace(
        folder=tmp_path,
        mail_folder=tmp_path / "mail",
        keys_folder=tmp_path / "service-keys",
        backends=SimpleNamespace(admin_url="postgresql://a"),
        urls={"intake": "postgresql://intake"},
        canary_environment={"SERVICECERT_CANARY_MAIL": "canary@authority.example"},
        cluster=identities.cluster(parts, ADMINISTRATOR),
        cluster_of=lambda user: identities.cluster(parts, user),
    )


OURS = ("KAFKA_", "SERVICECERT_", "DATABASE_URL", "INTAKE_")


def variables(file, shell="sh", cwd="/"):
    shown = subprocess.run(
        [shell, "-euc", '. "$1"; env', "sh", file], capture_output=True, text=True, check=True, cwd=cwd
    )
    assert shown.stderr == ""
    return dict(line.split("=", 1) for line in shown.stdout.splitlines() if line.startswith(OURS))


def test_f4_each_file_logs_in_as_its_user_and_as_nobody_else(system):
    environment, folder = write_environment(system), write_users(system)
    assert variables(environment)["KAFKA_SASL_USERNAME"] == "e-service"
    for each in (environment, folder / "e-service"):
        assert "DATABASE_URL" not in each.read_text()
        assert "canary" not in each.read_text()
    assert {each.name for each in folder.iterdir()} == {ADMINISTRATOR, *Principal}
    for user in (ADMINISTRATOR, *Principal):
        assert (folder / user).stat().st_mode & 0o777 == 0o600
        seen = variables(folder / user)
        key = f"{system.keys_folder}/{user}.key" if user in SERVICES else None
        assert seen.get("SERVICECERT_SERVICE_KEY_FILE") == key
        if "KAFKA_SASL_USERNAME" in seen:
            assert (seen["KAFKA_SASL_USERNAME"], seen["KAFKA_SECURITY_PROTOCOL"]) == (user, "SASL_SSL")
            assert "KAFKA_KEY_FILE" not in seen
        else:
            assert seen["KAFKA_KEY_FILE"].endswith(f"/{user}.key")
            assert (seen["KAFKA_SECURITY_PROTOCOL"], seen["KAFKA_BOOTSTRAP_SERVERS"]) == ("SSL", "a:2")


def test_the_files_work_wherever_they_are_read_from_and_bash_s_also_where_they_are_moved_to(system, tmp_path_factory):
    files = write_environment(system), write_users(system) / "operator"
    before = [variables(file, shell) for file in files for shell in ("sh", "bash")]
    assert before[0] == before[1]
    assert before[2]["INTAKE_DATABASE_URL"] == "postgresql://intake"
    moved = tmp_path_factory.mktemp("moved") / "a folder"
    shutil.copytree(system.folder, moved)
    for file, found in zip(files, before[::2], strict=True):
        there = variables(moved / file.relative_to(system.folder), "bash")
        assert there == {name: value.replace(str(system.folder), str(moved)) for name, value in found.items()}
        assert there["SERVICECERT_SERVICE_KEYS"] == f"{moved}/service-keys"
