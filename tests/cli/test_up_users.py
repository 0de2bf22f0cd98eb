"""`up`: the files by which another terminal becomes a user of the broker (F4)."""

import subprocess
from types import SimpleNamespace

import pytest
from servicecert_cli.commands.up import write_environment, write_users
from servicecert_cli.operations.broker_identities import ADMINISTRATOR
from servicecert_cli.stand.identities import Identities
from servicecert_schemas.broker import Principal


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
        urls={},
        canary_environment={},
        cluster=identities.cluster(parts, ADMINISTRATOR),
        cluster_of=lambda user: identities.cluster(parts, user),
    )


def variables(file):
    shown = subprocess.run(["sh", "-euc", '. "$1"; env', "sh", file], capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in shown.splitlines() if line.startswith("KAFKA_"))


def test_f4_each_file_logs_in_as_its_user_and_as_nobody_else(system):
    environment, folder = write_environment(system), write_users(system)
    assert variables(environment)["KAFKA_SASL_USERNAME"] == "e-service"
    assert {each.name for each in folder.iterdir()} == {ADMINISTRATOR, *Principal}
    for user in (ADMINISTRATOR, *Principal):
        assert (folder / user).stat().st_mode & 0o777 == 0o600
        seen = variables(folder / user)
        if "KAFKA_SASL_USERNAME" in seen:
            assert (seen["KAFKA_SASL_USERNAME"], seen["KAFKA_SECURITY_PROTOCOL"]) == (user, "SASL_SSL")
            assert "KAFKA_KEY_FILE" not in seen
        else:
            assert seen["KAFKA_KEY_FILE"].endswith(f"/{user}.key")
            assert (seen["KAFKA_SECURITY_PROTOCOL"], seen["KAFKA_BOOTSTRAP_SERVERS"]) == ("SSL", "a:2")
