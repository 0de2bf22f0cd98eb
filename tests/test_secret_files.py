"""Others cannot read a file of secrets, or the process that needs it does not start (I10)."""

import os
import stat
from pathlib import Path
from types import ModuleType

import pytest
from servicecert_issuer.settings import Settings as IssuerSettings
from servicecert_notifier.settings import Settings as NotifierSettings
from servicecert_pki import software_key as of_pki
from servicecert_pki.keyring import read_passphrases
from servicecert_pki.keys import KeyUnavailable
from servicecert_pki.software_key import open_key
from servicecert_revoker.ocsp.settings import Settings as OcspSettings
from servicecert_revoker.settings import Settings as RevokerSettings
from servicecert_worker.core import secret_files
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.settings import PUBLIC, WorkerSettings, check_secret_files

ALL_SETTINGS = (WorkerSettings, IssuerSettings, RevokerSettings, NotifierSettings, OcspSettings)
ME, OURS, THEIRS = 10001, 10001, 50


def status_of(mode: int, owner: int, group: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))


CASES = (
    ("the owner alone", 0o400, ME, THEIRS, (OURS,), False),
    ("the owner alone, writing", 0o600, ME, THEIRS, (OURS,), False),
    ("everybody", 0o644, ME, OURS, (OURS,), True),
    ("everybody, writing", 0o602, ME, OURS, (OURS,), True),
    ("a group of others", 0o640, ME, THEIRS, (OURS,), True),
    ("a group that others are in, too", 0o640, ME, THEIRS, (OURS, THEIRS), True),
    ("the user's private group", 0o640, ME, OURS, (OURS,), False),
    ("a volume with fsGroup, whose files Kubernetes gives to the pod's group", 0o660, ME, OURS, (OURS,), False),
    ("a secret in Kubernetes, or of a package", 0o440, 0, THEIRS, (OURS, THEIRS), False),
    ("root's, with a group that may write", 0o460, 0, THEIRS, (OURS, THEIRS), True),
    ("root's, for a group that is not ours", 0o440, 0, THEIRS, (OURS,), True),
)


@pytest.mark.parametrize("module", [secret_files, of_pki], ids=["worker", "pki"])
@pytest.mark.parametrize(
    ("mode", "owner", "group", "groups", "is_open"), [it[1:] for it in CASES], ids=[it[0] for it in CASES]
)
def test_I10_only_the_process_itself_may_read_a_secret(
    module: ModuleType, mode: int, owner: int, group: int, groups: tuple[int, ...], is_open: bool
) -> None:
    status = status_of(mode, owner, group)
    assert module.is_open_to_others(status, ME, groups) is is_open


def test_I10_root_s_own_group_is_not_private() -> None:
    assert secret_files.is_open_to_others(status_of(0o640, 0, 0), 0, (0,))


def test_I10_each_setting_that_names_a_file_is_checked_or_known_to_be_public(tmp_path: Path) -> None:
    """A new one that ends otherwise is checked, too."""
    files = {field.alias or name.upper() for settings in ALL_SETTINGS for name, field in settings.model_fields.items()}
    files = {name for name in files if name.endswith("_FILE")}
    checked = {name for name in files if not name.endswith(PUBLIC)}
    assert {"SERVICECERT_SERVICE_KEY_FILE", "SERVICECERT_CA_PASSPHRASE_FILE", "SERVICECERT_PKCS11_PIN_FILE"} <= checked
    assert {"KAFKA_SASL_PASSWORD_FILE", "SMTP_PASSWORD_FILE", "SERVICECERT_DKIM_KEY_FILE"} <= checked
    assert {"KAFKA_CA_FILE", "SMTP_CA_FILE", "SERVICECERT_HEALTH_FILE"} <= files - checked


def worker_settings(key: Path) -> WorkerSettings:
    return WorkerSettings(
        DATABASE_URL="postgresql://x/d",
        KAFKA_BOOTSTRAP_SERVERS="x:1",
        SERVICECERT_SERVICE_KEYS=key.parent,
        SERVICECERT_SERVICE_KEY_FILE=key,
    )


def test_I10_a_setting_s_open_file_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    file = tmp_path / "service.key"
    file.write_text("secret\n")
    file.chmod(0o644)
    settings = WorkerSettings(
        DATABASE_URL="postgresql://x/d",
        KAFKA_BOOTSTRAP_SERVERS="x:1",
        SERVICECERT_SERVICE_KEYS=tmp_path,
        SERVICECERT_SERVICE_KEY_FILE=file,
    )
    with pytest.raises(OperatorError, match=f"SERVICECERT_SERVICE_KEY_FILE: others can read .*chmod 600 {file}"):
        check_secret_files(settings)
    file.chmod(0o600)
    check_secret_files(settings)


def test_I10_a_folder_of_secrets_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WorkerSettings.model_config, "secrets_dir", tmp_path)
    (tmp_path / "DATABASE_URL").write_text("postgresql://x/d")
    (tmp_path / "DATABASE_URL").chmod(0o604)
    settings = WorkerSettings(
        DATABASE_URL="postgresql://x/d",
        KAFKA_BOOTSTRAP_SERVERS="x:1",
        SERVICECERT_SERVICE_KEYS=tmp_path,
        SERVICECERT_SERVICE_KEY_FILE=tmp_path / "none",
    )
    with pytest.raises(OperatorError, match="DATABASE_URL: others can read"):
        check_secret_files(settings)


def test_I10_keys_and_passphrases_of_a_ca_that_others_can_read_are_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("production=x\ntest=y\n")
    file.chmod(0o640 if os.getgid() == 0 else 0o604)
    with pytest.raises(KeyUnavailable, match=f"Others can read the passphrase file .*chmod 600 {file}"):
        read_passphrases(file)
    with pytest.raises(KeyUnavailable, match=f"Others can read the key file .*chmod 600 {file}"):
        open_key(file, b"x")
