"""Opening the issuer: the keys are opened once, and each fault is one sentence."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from identities import Identities
from servicecert_issuer.domain.issuance import Intended
from servicecert_issuer.domain.recheck import Rechecked
from servicecert_issuer.service import NAME, Settings, open_service
from servicecert_issuer.storage.store import _row
from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.identity import FICTITIOUS, IdentityUnusable, trial
from servicecert_pki.keys import KeyUnavailable
from servicecert_pki.profile_safety import ProfileUnsafe
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued
from servicecert_worker.core.decider import Done, Due, Event, Result, Stored, Task
from services.issuer.harness import record_of

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)


class Recorded:
    """A pool with settable recorded intents."""

    def __init__(self) -> None:
        self.recorded: list[dict[str, object]] = []

    async def fetch(self, *_: object) -> list[dict[str, object]]:
        return self.recorded


NO_POOL = cast("asyncpg.Pool[Any]", Recorded())


def settings(ca: Path, passphrases: Path) -> Settings:
    return Settings(ca_dir=ca, ca_passphrase_file=passphrases)


async def test_application_becomes_a_certificate(
    authority: Authority, passphrase_file: Path, service_keys: Path, accepted: Callable[..., ApplicationAccepted]
) -> None:
    application = accepted()
    arrival = Event(uuid4(), application.key(), application, NOW)
    writers = Identities(service_keys)
    arrival = replace(arrival, record=record_of(arrival, writers))
    pool = Recorded()
    opened = settings(authority.directory, passphrase_file)
    async with open_service(opened, cast("asyncpg.Pool[Any]", pool), lambda: NOW) as service:
        assert service.name == NAME
        assert service.rules.examine is not None
        (examined,) = service.rules.examine([arrival])
        intended = service.rules.decide(None, examined, None, NOW)
        (intent,) = intended.intents
        stored = Stored(arrival.key, 0, cast("Intended", intended.state))
        pool.recorded = [{**_row(stored), "unwanted": None}]
        (outcome,) = await service.effects[intent.kind].do([Task(uuid4(), arrival.key, intent.kind, intent.data, NOW)])
        assert isinstance(outcome, Done)
        issued = service.rules.decide(
            intended.state, Result(uuid4(), arrival.key, intent.kind, outcome.data), None, NOW
        )
    assert [type(event) for event in issued.events] == [CertificateIssued]
    assert service.rules.decide(issued.state, replace(examined), None, NOW).events == ()


async def test_issuer_that_is_merely_open_does_nothing(authority: Authority, passphrase_file: Path) -> None:
    """A replay opens it, and so does `restore check`."""
    before = asyncio.all_tasks()
    async with open_service(settings(authority.directory, passphrase_file), NO_POOL):
        assert asyncio.all_tasks() == before


async def test_B3_what_would_stop_every_case_is_one_sentence_at_the_start(
    authority: Authority, passphrase_file: Path, tmp_path: Path
) -> None:
    (file := tmp_path / "authority.toml").write_text(trial("http://localhost"))
    unsafe = settings(authority.directory, passphrase_file).model_copy(update={"authority_file": file})
    with pytest.raises(
        ProfileUnsafe, match=r"would have the finding pkix.invalid_uri_syntax: look at the profile, and at"
    ):
        async with open_service(unsafe, NO_POOL):
            pass


async def test_a_generation_that_takes_over_later_is_judged_at_the_start(
    authority: Authority, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The issuer is not restarted at that date, so faults must be found before."""
    (later,) = (replace(it, id="test-ec-2", policies=frozenset()) for it in [authority.issuer("test-ec")])
    monkeypatch.setattr(Authority, "activated_after", lambda *_: (later,))
    with pytest.raises(ProfileUnsafe, match="which the certificate of test-ec-2 does not name"):
        async with open_service(settings(authority.directory, passphrase_file), NO_POOL):
            pass


async def test_issued_certificates_are_checked_from_the_first_start_on(
    authority: Authority, passphrase_file: Path
) -> None:
    async with open_service(settings(authority.directory, passphrase_file), NO_POOL) as service:
        assert service.rules.initial_deadlines == (("recheck", "recheck"),)
        (intent,) = service.rules.decide(None, Due(uuid4(), "recheck", "recheck", NOW), None, NOW).intents
        assert service.effects[intent.kind].data is type(intent.data)
        checked = Result(uuid4(), "recheck", intent.kind, Rechecked(ended=False))
        assert service.rules.decide(None, checked, None, NOW).intents == (intent,)


async def test_B6_each_ceremony_is_audited_before_its_keys_sign(authority: Authority, passphrase_file: Path) -> None:
    its = settings(authority.directory, passphrase_file)
    async with open_service(its, NO_POOL) as service:
        audited = service.oversight.audited
    assert {name: audited[name] for name in authority.audited} == authority.audited
    assert audited["authority"] == its.whose.digest
    assert isinstance(profiles := audited["profiles"], Mapping)
    assert set(profiles) == {"server", "test-server", "system-signature", "test-system-signature"}


async def test_ca_that_was_never_initialised_is_one_sentence(tmp_path: Path, passphrase_file: Path) -> None:
    with pytest.raises(AuthorityMissing, match="ca init"):
        async with open_service(settings(tmp_path, passphrase_file), NO_POOL):
            pass


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("production=wrong\ntest=wrong\n", "passphrase does not open"),
        ("production=only\n", "needs the two lines"),
        (None, "cannot be read"),
    ],
)
async def test_I10_passphrase_that_opens_nothing_is_one_sentence_without_it(
    authority: Authority, tmp_path: Path, content: str | None, sentence: str
) -> None:
    file = tmp_path / "passphrases"
    if content is not None:
        file.touch(mode=0o600)
        file.write_text(content)
    with pytest.raises(KeyUnavailable, match=sentence) as refused:
        async with open_service(settings(authority.directory, file), NO_POOL):
            pass
    assert "wrong" not in str(refused.value)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The settings that every issuer needs."""
    for name in ("CA_DIR", "CA_PASSPHRASE_FILE"):
        monkeypatch.setenv(f"SERVICECERT_{name}", str(tmp_path / name))
    return monkeypatch


def test_the_authority_is_that_of_its_own_file_or_of_the_ca_s_folder(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Settings().whose is FICTITIOUS
    with pytest.raises(IdentityUnusable, match=r"CA_DIR/authority.toml has no \[repository\]: add it, as docs/"):
        _ = Settings().repository
    (file := tmp_path / "own.toml").write_text(trial("http://crl.example.fi", "http://ocsp.example.fi"))
    environment.setenv("SERVICECERT_AUTHORITY_FILE", str(file))
    assert (Settings().ca_dir, Settings().repository.ocsp) == (tmp_path / "CA_DIR", "http://ocsp.example.fi")


@pytest.mark.parametrize("production", [False, True])
async def test_F3_an_issuer_tells_the_worker_whose_keys_it_opened(
    authority: Authority, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch, production: bool
) -> None:
    monkeypatch.setattr(Authority, "holds_production_keys", production)
    async with open_service(settings(authority.directory, passphrase_file), NO_POOL) as service:
        assert service.oversight.holds_production_keys is production
