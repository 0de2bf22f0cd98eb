"""Opening the revoker: keys, folder and schedule, and one sentence where that cannot be."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast
from uuid import uuid4

import asyncpg
import pytest
from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.identity import IdentityUnusable, read_identity, trial
from servicecert_pki.keys import KeyUnavailable
from servicecert_revoker.crl.files import CrlFiles, FolderUnusable
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN
from servicecert_revoker.service import MIGRATIONS, Settings, open_service
from servicecert_revoker.serving.crl_server import serve
from servicecert_schemas.revocation import CrlPublished, StandingsCounted
from servicecert_worker.core.decider import Done, Due, Result, Task
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.environment import read
from services.revoker.conftest import member

ServicePool: TypeAlias = "Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]]"

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
NO_POOL = cast("asyncpg.Pool[Any]", None)


def settings(ca: Path, passphrases: Path, crls: Path, internal: str | None = None) -> Settings:
    """The settings of a revoker with two partitions."""
    (file := passphrases.with_name("two-partitions.toml")).write_text(trial("http://crl.example.fi", partitions=2))
    return Settings(
        ca_dir=ca, ca_passphrase_file=passphrases, crl_dir=crls, crl_internal_url=internal, authority_file=file
    )


async def test_each_issuing_ca_has_its_certificate_served_and_its_crl_scheduled(
    authority: Authority,
    passphrase_file: Path,
    tmp_path: Path,
    service_pool: ServicePool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = await service_pool("revoker", MIGRATIONS)
    monkeypatch.setattr(Authority, "holds_production_keys", True)
    async with (
        serve(tmp_path, "127.0.0.1", 0) as base,
        open_service(settings(authority.directory, passphrase_file, tmp_path, base), pool) as service,
        service.beside(lambda: None),
    ):
        assert service.oversight.holds_production_keys
        assert (
            service.oversight.audited["authority"]
            == read_identity(passphrase_file.with_name("two-partitions.toml")).digest
        )
        assert service.snapshot is not None
        assert [code for _, code in service.snapshot.refused(NOTHING_KNOWN, [member("a")])] == ["not-a-member"]
        deadlines = service.rules.initial_deadlines
        assert {key for key, _ in deadlines} == {f"crl/{issuer}/0" for issuer in authority.issuers}
        for issuer in authority.issuers.values():
            assert (tmp_path / f"{issuer.id}.cer").read_bytes() == issuer.certificate_der
        for key, kind in deadlines:
            (intent,) = service.rules.decide(None, Due(uuid4(), key, kind, NOW), NOTHING_KNOWN, NOW).intents
            effect = service.effects[intent.kind]
            assert isinstance(intent.data, effect.data)
            (outcome,) = await effect.do([Task(uuid4(), key, intent.kind, intent.data, NOW)])
            assert isinstance(outcome, Done)
            decision = service.rules.decide(None, Result(uuid4(), key, intent.kind, outcome.data), NOTHING_KNOWN, NOW)
            assert [each.partition for each in decision.events if isinstance(each, CrlPublished)] == [2, 1, 0]
            crl, counted = decision.events[-2:]
            assert isinstance(crl, CrlPublished)
            assert isinstance(counted, StandingsCounted)
            assert crl.key() == key
            (deadline,) = decision.deadlines
            assert deadline.at == crl.this_update + timedelta(hours=24)
            assert crl.next_update == crl.this_update + timedelta(hours=72)


async def test_ca_that_was_never_initialised_is_one_sentence(tmp_path: Path, passphrase_file: Path) -> None:
    with pytest.raises(AuthorityMissing, match="ca init"):
        async with open_service(settings(tmp_path / "none", passphrase_file, tmp_path), NO_POOL):
            pass


async def test_wrong_passphrase_is_one_sentence(authority: Authority, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("production=wrong\ntest=wrong\n")
    with pytest.raises(KeyUnavailable, match="passphrase does not open"):
        async with open_service(settings(authority.directory, wrong, tmp_path), NO_POOL):
            pass


@pytest.mark.parametrize(
    ("cause", "code", "way_out"), [(errno.ENOSPC, 75, "make room"), (errno.EACCES, 78, "give SERVICECERT_CRL_DIR")]
)
def test_a_full_disk_is_tried_again_by_a_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: int, code: int, way_out: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(cause, os.strerror(cause))

    monkeypatch.setattr(Path, "mkdir", fails)
    with pytest.raises(FolderUnusable, match=f"{os.strerror(cause)}.*: {way_out}") as unusable:
        CrlFiles(tmp_path / "crls").prepare()
    assert unusable.value.exit_code == code


async def test_folder_that_cannot_be_made_is_one_sentence(
    authority: Authority, passphrase_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FolderUnusable, match="SERVICECERT_CRL_DIR"):
        async with (
            open_service(settings(authority.directory, passphrase_file, tmp_path / "file"), NO_POOL) as service,
            service.beside(lambda: None),
        ):
            pass


async def test_D7_revoker_that_is_merely_open_publishes_nothing(
    authority: Authority, passphrase_file: Path, tmp_path: Path
) -> None:
    """A replay opens it, and so does `restore check`, which changes nothing."""
    before, crls = asyncio.all_tasks(), tmp_path / "crls"
    async with open_service(settings(authority.directory, passphrase_file, crls), NO_POOL):
        assert not crls.exists()
        assert asyncio.all_tasks() == before


def test_crl_that_cannot_be_read_has_no_number(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "test-ec.crl").write_bytes(b"no list")
    version = CrlFiles(tmp_path).version("test-ec.crl", authority.issuer("test-ec"))
    assert version is not None
    assert version.number == 0
    assert CrlFiles(tmp_path).version("test-rsa.crl", authority.issuer("test-rsa")) is None


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The settings that every revoker needs."""
    for name in ("CA_DIR", "CA_PASSPHRASE_FILE", "CRL_DIR"):
        monkeypatch.setenv(f"SERVICECERT_{name}", str(tmp_path / name))
    return monkeypatch


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read(Settings).crl_dir == tmp_path / "CRL_DIR"
    environment.delenv("SERVICECERT_CRL_DIR")
    with pytest.raises(OperatorError, match="SERVICECERT_CRL_DIR"):
        read(Settings)


async def test_D7_crl_that_could_end_before_the_next_is_refused_at_start(
    authority: Authority, passphrase_file: Path, tmp_path: Path
) -> None:
    (file := tmp_path / "own.toml").write_text(f"{trial('http://crl.example.fi')}[limits]\ncrl_interval_hours = 37\n")
    own = settings(authority.directory, passphrase_file, tmp_path).model_copy(update={"authority_file": file})
    with pytest.raises(IdentityUnusable, match=r"own\.toml cannot be used: limits\.crl_validity_hours: "):
        async with open_service(own, NO_POOL):
            pass
