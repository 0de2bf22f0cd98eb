"""F4: what the revoker's own login writes into its tables, without its process, leads to no wrong answer or CRL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from databases import administer
from servicecert_pki.authority import Authority
from servicecert_pki.crl_reading import load, serials
from servicecert_pki.issued import read_certificate
from servicecert_pki.partitions import FULL
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.domain.certificates import Certificate, Irregular, Verified, verify
from servicecert_revoker.domain.crl_orders import PublishOrder
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import Valid
from servicecert_revoker.operator.reconciliation import discrepancies
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import (
    RevocationReason,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
)
from servicecert_worker.core.decider import Done, Event, Stored, Task
from services.revoker.conftest import CASE, NOW, Login, Pool
from services.revoker.stand import Stand
from services.revoker.test_proposals import confirmed, proposed

Requested = Callable[..., RevocationRequested]
Register = Callable[..., Awaitable[Task]]
PAST = "2020-01-01T00:00:00Z"


@pytest.fixture
async def stand(pool: Pool, known: Knowledge) -> Stand:
    return Stand(pool, known, now=NOW + timedelta(hours=1))


@pytest.fixture
def told(sound: CertificateIssued, authority: Authority) -> Event:
    """That a certificate of a CA of ours was issued."""
    return Event(uuid4(), sound.key(), sound, NOW, facts=verify(sound, NOW, authority))


async def ask(stand: Stand, requested: Requested, serial: str) -> EventData:
    """Ask for the revocation of an exposed key, and return the answer."""
    request = requested(serial_as_typed=serial, reason=RevocationReason.KEY_EXPOSED, sent_at=stand.now)
    await stand.happen(Event(uuid4(), request.key(), request, stand.now))
    (answer,) = [
        each for each in await stand.read_outbox() if isinstance(each, RevocationRegistered | RevocationRefused)
    ]
    return answer


def otherwise(**values: str) -> str:
    """Return the SQL of a stored certificate with other values."""
    return " || ".join(["certificate", *(f"jsonb_build_object('{name}', '{it}')" for name, it in values.items())])


@pytest.mark.parametrize(
    "change",
    [
        f"certificate = {otherwise(not_after=PAST)}",
        f"certificate = {otherwise(key_sha256='0' * 64)}",
        f"certificate = {otherwise(account_id='account-2')}",
        f"certificate = {otherwise(issued_at='2030-01-01T00:00:00Z')}",
        f"certificate = {otherwise(second_of=str(CASE))}",
        "certificate = certificate - 'not_after'",
        "certificate = jsonb_set(certificate, '{recipients,0,email}', '\"another@example.fi\"')",
        "certificate = null, issuer = null, serial = null",
        "der = null",
        "der = 'other'",
        "issuer = 'test-rsa'",
        "serial = 'ab'",
        "partition = partition + 1",
    ],
)
async def test_f4_no_change_of_a_certificate_s_row_changes_the_answer_to_a_request(
    stand: Stand, told: Event, requested: Requested, change: str
) -> None:
    await stand.happen(told)
    await stand.read_outbox()
    with pytest.raises(asyncpg.CheckViolationError):
        await stand.pool.execute(f"update statuses set {change}")
    assert isinstance(await ask(stand, requested, told.data.serial), RevocationRegistered)


async def test_f2_f4_what_the_certificate_says_counts_and_not_what_is_stored_beside_it(
    stand: Stand, told: Event, requested: Requested, caplog: pytest.LogCaptureFixture
) -> None:
    await stand.happen(told)
    await stand.read_outbox()
    other = otherwise(not_after=PAST, key_sha256="0" * 64, serial="ab", subject="CN=other", not_before=PAST)
    await administer(stand.pool, f"set session_replication_role = replica; update statuses set certificate = {other}")
    assert isinstance(await ask(stand, requested, told.data.serial), RevocationRegistered)
    assert f"alarm: the certificate of {CASE} is stored with other values than its own" in caplog.text
    assert isinstance(told.facts, Verified)
    (order,) = [task.data for task in stand.tasks if task.kind == "cascade"]
    assert order.key_sha256 == read_certificate(told.facts.certificate.der)[1].key_sha256


@pytest.mark.parametrize("planted", [{"account_id": "account-2"}, {"not_after": NOW - timedelta(days=1), "der": None}])
async def test_f2_f4_a_certificate_that_was_stored_before_it_was_read_is_an_alarm(
    stand: Stand, told: Event, planted: dict[str, object]
) -> None:
    assert isinstance(told.facts, Verified)
    certificate = replace(told.facts.certificate, **planted)
    async with stand.pool.acquire() as connection:
        await RevocationStore().save(connection, [Stored(told.key, 0, Valid(certificate))])
    await stand.happen(told)
    assert [task.data.code for task in stand.tasks if isinstance(task.data, Irregular)] == ["stored-otherwise"]
    assert (await stand.read_outbox()) == []


async def test_f2_a_certificate_that_is_told_of_again_is_no_alarm(stand: Stand, told: Event) -> None:
    await stand.happen(told)
    async with stand.pool.acquire() as connection:
        (stored,) = await stand.service.tables.store.load(connection, [told.key])
    assert isinstance(stored.state, Valid)
    assert stored.state.certificate.der is not None
    await administer(stand.pool, "select erase_case($1)", told.key)
    await stand.happen(replace(told, id=uuid4(), time=NOW + timedelta(days=1)))
    assert stand.tasks == []


def listed(files: CrlFiles) -> set[int]:
    content = files.content("test-ec", FULL)
    assert content is not None
    return set(serials(load(content)))


async def republished(publish: Publish) -> None:
    for _ in range(2):
        (outcome,) = await publish([Task(uuid4(), "crl/test-ec/0", "publish", PublishOrder(issuer="test-ec"), NOW)])
        assert isinstance(outcome, Done)


async def test_f4_i7_no_row_of_a_crl_to_come_takes_an_entry_from_a_crl(
    publish: Publish, files: CrlFiles, register: Register, pool: Pool
) -> None:
    await publish([await register(0x4A01)])
    await pool.execute(
        "insert into crls (issuer, partition, number, scheduled, this_update, next_update, entries, sha256,"
        " published_at) values ('test-ec', 0, 9, true, '2999-01-01', '2999-01-02', 0, repeat('0', 64), now())"
    )
    await republished(publish)
    assert listed(files) == {0x4A01}


async def test_f4_i7_an_entry_is_listed_until_its_certificate_ends_whatever_its_row_says(
    publish: Publish, files: CrlFiles, certificate: Certificate, pool: Pool
) -> None:
    async with pool.acquire() as connection:
        await RevocationStore().save(connection, [Stored("a", 0, Valid(certificate))])
    insert = """
        insert into revocations (issuer, serial, partition, key, request_id, reason, requested_at, due, revoked_at,
                                 not_after, entry)
        values ($1, $2, $3, $4, gen_random_uuid(), 'no-longer-needed', $5, $5, $5, '2020-01-01',
                decode('302f0210' || $2 || '170d3236313132343130303230335a300c300a0603551d1504030a0105', 'hex'))
    """
    place = (certificate.issuer, certificate.serial, certificate.partition)
    for wrong in (("test-rsa", *place[1:]), (place[0], "ab" * 16, place[2]), (*place[:2], 4)):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(insert, *wrong, "a", NOW)
    await pool.execute(insert, *place, "a", NOW)
    await republished(publish)
    assert listed(files) == {int(certificate.serial, 16)}


async def test_D2_f4_what_two_operators_confirmed_is_not_left_undone_unnoticed(
    stand: Stand, told: Event, login: Login
) -> None:
    await stand.happen(told)
    made = await proposed(login, [CASE])
    assert await confirmed(login, made.id)
    await stand.pool.execute("update proposals set ordered = total, done_at = 'infinity'")
    async with login("anna") as connection:
        assert await discrepancies(connection) == [], "not before a day has passed"
        await administer(
            stand.pool,
            "set session_replication_role = replica; update proposals set confirmed_at = now() - interval '9 days'",
        )
        assert [(it.what, it.key) for it in await discrepancies(connection)] == [("left-undone", str(CASE))]


async def test_f4_no_entry_is_stored_before_its_certificate(pool: Pool, certificate: Certificate) -> None:
    await pool.execute("insert into statuses (key, version, standing, asked) values ('a', 1, 'awaited', '[]')")
    with pytest.raises(asyncpg.SerializationError):
        await pool.execute(
            "insert into revocations (issuer, serial, key, request_id, reason, requested_at, due, revoked_at,"
            " not_after, entry) values ('test-ec', 'ab', 'a', gen_random_uuid(), 'no-longer-needed', now(), now(),"
            " now(), '2020-01-01', '')"
        )
