"""The books of responders' certificates: stored before they are signed, ended once, limited for a day (F3, F5)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from databases import administer
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN
from servicecert_revoker.domain.responders import Booked, EnrolledKey
from servicecert_revoker.storage.prepare import prepare
from servicecert_revoker.storage.store import RevocationStore, booked
from servicecert_schemas.responder import ResponderEnvironment, ResponderRequested
from servicecert_worker.core.decider import Event, Stored

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
STORE = RevocationStore()


def enrolled(number: int, environment: ResponderEnvironment = ResponderEnvironment.TEST) -> EnrolledKey:
    certificates = tuple(
        Booked(f"{environment}-{family}", f"4a{number:02x}", "a" * 64, NOW + timedelta(days=4))
        for family in ("ec", "rsa")
    )
    return EnrolledKey(environment, f"{number:064x}", certificates)


def key(responder: EnrolledKey) -> str:
    return f"ocsp/{responder.environment}/{responder.key_sha256}"


async def save(pool: Any, version: int, *responders: EnrolledKey) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await STORE.save(connection, [Stored(key(it), version, it) for it in responders])


async def test_f3_what_is_intended_for_a_responder_is_kept_and_ends_once(pool: Any) -> None:
    one, other = enrolled(1), enrolled(2, ResponderEnvironment.PRODUCTION)
    await save(pool, 0, one, other)
    first, second = one.certificates
    ended = replace(one, certificates=(replace(first, fingerprint="b" * 64), replace(second, refusal="profile")))
    await save(pool, 1, ended)
    async with pool.acquire() as connection:
        loaded = {it.key: it.state for it in await STORE.load(connection, [key(one), key(other), "ocsp/test/none"])}
        assert await STORE.load(connection, [str(uuid4())]) == []
    assert loaded == {key(one): ended, key(other): other}
    assert await booked(pool, [("test-ec", "4a01"), ("test-ec", "4aff")]) == {
        ("test-ec", "4a01"): ended.certificates[0]
    }
    await save(pool, 1, ended)
    for wrong in (
        replace(ended, certificates=(replace(first, fingerprint="c" * 64),)),
        replace(ended, certificates=(replace(second, fingerprint="c" * 64),)),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await save(pool, 1, wrong)
    with pytest.raises(asyncpg.CheckViolationError):
        await administer(pool, "delete from responder_certificates")
    with pytest.raises(asyncpg.CheckViolationError):
        await administer(pool, "update responder_certificates set tbs_sha256 = repeat('0', 64)")


async def test_f5_so_many_responders_of_an_environment_are_certified_in_a_day(
    pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await save(pool, 0, enrolled(1), enrolled(2), enrolled(3, ResponderEnvironment.PRODUCTION))

    def asks(responder: EnrolledKey) -> Event:
        data = ResponderRequested(environment=responder.environment, key_sha256=responder.key_sha256, request="MIIB")
        return Event(uuid4(), data.key(), data, NOW)

    again, new = enrolled(1), [enrolled(number) for number in (11, 12, 13)]
    elsewhere = enrolled(14, ResponderEnvironment.PRODUCTION)
    async with pool.acquire() as connection, connection.transaction():
        known = await prepare(
            connection,
            [asks(it) for it in (again, *new, elsewhere)],
            {key(again): Stored(key(again), 1, again)},
            NOTHING_KNOWN,
            most_responders=3,
        )
    assert known.over_limit == {key(it) for it in new[1:]}
    assert [record.getMessage().split()[0] for record in caplog.records] == ["alarm:"]
