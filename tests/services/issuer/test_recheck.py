"""Checking all issued certificates again (B3, B4)."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from databases import administer
from figures import figure
from servicecert_issuer.domain.examine import IssuingContext, contents_of
from servicecert_issuer.domain.recheck import RECHECK, Rechecked, RecheckOrder, StoredCertificate, plan, recheck
from servicecert_issuer.effects.recheck import Recheck, next_part
from servicecert_issuer.service import MIGRATIONS
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import Contents, build_tbs, sign_tbs
from servicecert_pki.keys import SigningKey
from servicecert_pki.spki import spki_sha256
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.core.decider import Deadline, Due, Intent, Result, Task

Pool: TypeAlias = "asyncpg.Pool[Any]"
ServicePool: TypeAlias = "Callable[[str, Path], Awaitable[Pool]]"
NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)

INSERT = """
insert into certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition,
                          not_before, not_after, key_sha256, "grant", certificate)
select $1, 2, 'issued', $2, $3, $4, 'server', 1, 0, $5, $6, $8, '{}', $7
"""


@pytest.fixture(scope="module")
def draft(context: IssuingContext, accepted: Callable[..., ApplicationAccepted]) -> Callable[[int], Contents]:
    """Return a factory of certificate contents, by serial number."""
    return lambda serial: contents_of(context, accepted(), serial, NOW)


@pytest.fixture(scope="module")
def stocked(draft: Callable[[int], Contents], ca_keys: Mapping[str, SigningKey]) -> Callable[..., StoredCertificate]:
    """Return a factory of valid issued certificates, with changes to the record."""

    def make(key: str = "a", **changes: Any) -> StoredCertificate:
        contents = draft(0x4A00 + ord(key[0]))
        tbs = build_tbs(contents)
        certificate = sign_tbs(tbs, ca_keys[contents.issuer.id])
        sound = StoredCertificate(
            key,
            contents.issuer.id,
            contents.serial,
            contents.not_before,
            contents.not_after,
            spki_sha256(contents.spki),
            tbs,
            certificate,
        )
        return replace(sound, **changes)

    return make


def test_B4_a_sound_certificate_has_nothing_wrong(
    stocked: Callable[..., StoredCertificate], authority: Authority
) -> None:
    sound = stocked()
    assert recheck(sound, authority.issuers[sound.issuer]) == ()


def test_B4_each_thing_that_is_wrong_is_told(stocked: Callable[..., StoredCertificate], authority: Authority) -> None:
    sound = stocked()
    issuer, another = authority.issuers[sound.issuer], stocked("b")
    broken = sound.certificate[:-1] + bytes((sound.certificate[-1] ^ 1,))
    for wrong, ca, code in (
        (sound, None, "recheck.issuer-missing"),
        (replace(sound, certificate=broken), issuer, "recheck.unsound"),
        (replace(sound, certificate=another.certificate), issuer, "recheck.unsound"),
        (replace(sound, serial=1), issuer, "recheck.record-differs"),
        (replace(sound, not_after=NOW), issuer, "recheck.record-differs"),
        (replace(sound, key_sha256="00" * 32), issuer, "recheck.record-differs"),
        (sound, replace(issuer, policies=frozenset({"1.3.6.1.4.1.32473.1.2"})), "recheck.no-service-certificate"),
        (sound, replace(issuer, subject_der=b"\x30\x00"), "recheck.issuer-differs"),
    ):
        assert recheck(wrong, ca) == (code,)


def members(encoded: bytes) -> list[bytes]:
    """Return the members of a constructed value, each with its header."""
    return [encoded[it.start : it.end] for it in der.members(encoded, der.read(encoded))]


def test_B4_a_key_that_nobody_knows_is_told_and_ends_no_run(
    draft: Callable[[int], Contents], ca_keys: Mapping[str, SigningKey], stocked: Callable[..., StoredCertificate]
) -> None:
    contents = draft(0x4A61)
    *before, key, extensions = members(build_tbs(contents))
    unknown = key.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d0209"))
    tbs = der.sequence(*before, unknown, extensions)
    odd = stocked(tbs=tbs, certificate=sign_tbs(tbs, ca_keys[contents.issuer.id]))
    assert "recheck.record-differs" in recheck(odd, contents.issuer)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # basicConstraints: CA:TRUE, and one extension that means nothing instead.
        ("30 0c 06 03 55 1d 13 01 01 ff 04 02 30 00", "30 0f 06 03 55 1d 13 01 01 ff 04 05 30 03 01 01 ff"),
        ("30 0c 06 03 55 1d 13 01 01 ff 04 02 30 00", "30 09 06 03 2a 03 04 04 02 05 00"),
    ],
)
def test_B3_a_certificate_that_could_sign_certificates_is_reported(
    draft: Callable[[int], Contents],
    ca_keys: Mapping[str, SigningKey],
    stocked: Callable[..., StoredCertificate],
    before: str,
    after: str,
) -> None:
    """Nobody's profile makes such a certificate, and its signature and its record may be right all the same."""
    contents = draft(0x4A61)
    *fields, wrapped = members(build_tbs(contents))
    (extensions,) = members(wrapped)
    changed = [bytes.fromhex(after) if it == bytes.fromhex(before) else it for it in members(extensions)]
    tbs = der.sequence(*fields, der.tlv(0xA3, der.sequence(*changed)))
    assert tbs != build_tbs(contents)
    planted = stocked(tbs=tbs, certificate=sign_tbs(tbs, ca_keys[contents.issuer.id]))
    assert "recheck.no-service-certificate" in recheck(planted, contents.issuer)


def test_B3_a_finding_of_pkilint_is_told(
    draft: Callable[[int], Contents],
    ca_keys: Mapping[str, SigningKey],
    stocked: Callable[..., StoredCertificate],
    authority: Authority,
) -> None:
    contents = replace(draft(0x4A61), crl_url="http://under_score/a.crl")
    tbs = build_tbs(contents)
    odd = stocked(tbs=tbs, certificate=sign_tbs(tbs, ca_keys[contents.issuer.id]))
    assert recheck(odd, contents.issuer) == ("pkix.invalid_uri_syntax",)


@pytest.fixture
async def stock(service_pool: ServicePool, stocked: Callable[..., StoredCertificate]) -> Pool:
    """Five certificates, the third of them with another's bytes."""
    pool = await service_pool("issuer", MIGRATIONS)
    await administer(pool, "alter table certificates disable trigger user")
    for key in "abcde":
        it = stocked(key)
        certificate = stocked("x").certificate if key == "c" else it.certificate
        columns = (it.tbs, it.not_before, it.not_after, certificate, it.key_sha256)
        await pool.execute(INSERT, key, it.issuer, f"{it.serial:x}", *columns)
    return pool


async def test_a_run_that_is_stopped_is_gone_on_with_and_counts_the_whole_stock(
    stock: Pool, authority: Authority
) -> None:
    async with stock.acquire() as connection:
        first = await next_part(connection, authority, 2)
        assert (first.good, first.bad, first.ended, first.found) == (2, 0, False, ())
    async with stock.acquire() as another:
        second = await next_part(another, authority, 2)
        assert (second.good, second.bad, second.ended) == (3, 1, False)
        assert [(it.key, it.codes) for it in second.found] == [("c", ("recheck.unsound",))]
        last = await next_part(another, authority, 2)
        assert (last.good, last.bad, last.ended) == (4, 1, True)
        again = await next_part(another, authority, 10)
        assert (again.good, again.bad, again.ended) == (4, 1, True)
    runs = await stock.fetch("select position, good, bad, ended_at is not null as ended from rechecks order by id")
    assert [tuple(run) for run in runs] == [("e", 4, 1, True)] * 2
    assert await stock.fetchval("select count(*) from recheck_findings where codes = '{recheck.unsound}'") == 2


async def test_the_nightly_run_raises_an_alarm_for_a_bad_certificate(
    stock: Pool, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "servicecert_issuer"):
        (outcome,) = await Recheck(stock, authority)([Task(uuid4(), RECHECK, RECHECK, RecheckOrder(), NOW)])
    assert outcome.data == Rechecked(ended=True)
    alarm, summary = caplog.records
    assert alarm.getMessage().startswith("alarm: an issued certificate failed the check: ")
    assert str(vars(alarm)["serial"]).startswith("4a63")
    assert summary.getMessage() == "Checked all issued certificates: 4 good, 1 bad"


async def test_B4_a_certificate_that_is_not_what_was_signed_is_a_figure_for_a_day(
    stock: Pool, authority: Authority
) -> None:
    """It stays bad, and an alert that nobody can end would hide the next one's. Other findings are no figure."""

    async def run() -> None:
        async with stock.acquire() as connection:
            await next_part(connection, authority, 10)

    async def counted(days: int) -> float:
        return (await figure(stock, datetime.now(UTC) + timedelta(days=days, minutes=1), "certificates_faulty"))[""]

    assert await counted(0) == 0
    for _ in range(2):
        await run()
        assert (await counted(0), await counted(1)) == (1, 0)
    nights = "update rechecks set began_at = began_at - interval '1 day'"
    await administer(stock, f"{nights}, ended_at = ended_at - interval '1 day'")
    await run()
    assert await counted(0) == 0, "it was bad before"
    await administer(stock, "update recheck_findings set codes = '{recheck.record-differs}' where recheck < 3")
    assert await counted(0) == 1, "it is bad in another way"
    await administer(stock, "update recheck_findings set codes = '{pkix.invalid_uri_syntax}' where recheck = 3")
    assert await counted(0) == 0


def test_all_certificates_are_checked_each_night_part_after_part() -> None:
    order = (Intent(RECHECK, RecheckOrder()),)
    due = plan(Due(uuid4(), RECHECK, RECHECK, NOW), NOW)
    assert due.intents == order
    assert due.deadlines == (Deadline(RECHECK, datetime(2026, 11, 25, 0, tzinfo=UTC)),)
    for ended, intents in ((False, order), (True, ())):
        decision = plan(Result(uuid4(), RECHECK, RECHECK, Rechecked(ended=ended)), NOW + timedelta(hours=1))
        assert (decision.state, decision.intents, decision.deadlines) == (None, intents, ())
