"""The revoker's tables refuse what would take a revocation back (D3, I8)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest
from databases import administer
from servicecert_pki.crl import Reason, entry_der
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.status import Asked, Awaited, Listed, Registered, Revoked, Status, Valid
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.core.decider import Conflict, Stored

Pool: TypeAlias = "asyncpg.Pool[Any]"
ServicePool: TypeAlias = "Callable[[str, Path], Awaitable[Pool]]"
MakeAsked = Callable[..., Asked]

STORE = RevocationStore()
OTHER_REQUEST = UUID("99999999-2222-4333-8444-555555555555")


async def save(pool: Pool, *changed: Stored[Status]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await STORE.save(connection, changed)


async def load(pool: Pool, *keys: str) -> list[Stored[Status]]:
    async with pool.acquire() as connection:
        return sorted(await STORE.load(connection, keys), key=lambda stored: stored.key)


def overridden(status: Registered) -> Registered:
    worse = replace(
        status.revocation,
        request_id=OTHER_REQUEST,
        reason=RevocationReason.KEY_EXPOSED,
        invalid_since=status.revocation.requested_at,
    )
    return replace(status, revocation=worse)


async def test_each_standing_is_loaded_as_it_was_saved(
    pool: Pool, certificate: Certificate, registered: Registered, asked: MakeAsked
) -> None:
    steps: list[Status] = [
        Awaited((asked(), asked(exposed_since=None, explanation="ä"))),
        Valid(certificate),
        registered,
        overridden(registered),
        Listed(certificate, overridden(registered).revocation),
        Revoked(certificate, overridden(registered).revocation),
    ]
    for version, status in enumerate(steps):
        await save(pool, Stored("a", version, status))
        assert await load(pool, "a", "b") == [Stored("a", version + 1, status)]


async def test_entry_is_encoded_once_at_revocation(pool: Pool, registered: Registered) -> None:
    await save(pool, Stored("a", 0, registered))
    await save(pool, Stored("a", 1, Revoked(registered.certificate, registered.revocation)))
    (stored,) = await pool.fetch("select entry, not_after from revocations")
    assert stored["entry"] == entry_der(
        int(registered.certificate.serial, 16), registered.revocation.revoked_at, Reason.CESSATION_OF_OPERATION
    )
    assert stored["not_after"] == registered.certificate.not_after


@pytest.mark.parametrize("version", [0, 2])
async def test_moved_version_conflicts_and_saves_nothing(
    pool: Pool, certificate: Certificate, registered: Registered, version: int
) -> None:
    await save(pool, Stored("a", 0, Valid(certificate)))
    with pytest.raises(Conflict):
        await save(pool, Stored("a", version, registered))
    assert await load(pool, "a") == [Stored("a", 1, Valid(certificate))]
    assert await pool.fetchval("select count(*) from revocations") == 0


async def test_serial_belongs_to_one_case(pool: Pool, certificate: Certificate) -> None:
    await save(pool, Stored("a", 0, Valid(certificate)))
    with pytest.raises(Conflict):
        await save(pool, Stored("b", 0, Valid(certificate)))
    await save(pool, Stored("b", 0, Valid(replace(certificate, issuer="test-rsa"))))


async def test_D3_no_standing_goes_back(
    pool: Pool, certificate: Certificate, registered: Registered, asked: MakeAsked
) -> None:
    status = Revoked(certificate, registered.revocation)
    await save(pool, Stored("a", 0, status))
    for earlier in (Listed(certificate, registered.revocation), registered, Valid(certificate), Awaited((asked(),))):
        with pytest.raises(asyncpg.CheckViolationError):
            await save(pool, Stored("a", 1, earlier))
    other = replace(certificate, serial="77")
    with pytest.raises(asyncpg.CheckViolationError):
        await save(pool, Stored("a", 1, Revoked(other, registered.revocation)))
    assert await load(pool, "a") == [Stored("a", 1, status)]


async def test_D3_only_an_exposed_key_overrides_a_reason(pool: Pool, registered: Registered) -> None:
    await save(pool, Stored("a", 0, registered))
    milder = replace(registered.revocation, request_id=OTHER_REQUEST, reason=RevocationReason.PURPOSE_OR_DATA_CHANGED)
    with pytest.raises(asyncpg.CheckViolationError):
        await save(pool, Stored("a", 1, replace(registered, revocation=milder)))
    await save(pool, Stored("a", 1, overridden(registered)))
    with pytest.raises(asyncpg.CheckViolationError):
        await save(pool, Stored("a", 2, registered))
    assert await load(pool, "a") == [Stored("a", 2, overridden(registered))]


async def test_I7_revocation_is_never_undone_in_the_database(pool: Pool, registered: Registered) -> None:
    await save(pool, Stored("a", 0, registered))
    for statement in (
        "delete from revocations",
        "delete from statuses",
        "update revocations set reason = 'key-exposed', revoked_at = now()",
        "update revocations set reason = 'key-exposed', serial = '77'",
        "update revocations set reason = 'key-exposed', not_after = now()",
    ):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError)):
            await administer(pool, statement)
    assert await load(pool, "a") == [Stored("a", 1, registered)]


async def test_I8_crl_numbers_only_grow(pool: Pool) -> None:
    insert = "insert into crls (issuer, partition, number, scheduled) values ('test-ec', 0, $1, true)"
    await pool.execute(insert, 5)
    for number in (5, 4, 1):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(insert, number)
    await pool.execute(insert, 6)
    for statement in ("delete from crls", "update crls set number = 9 where number = 6"):
        with pytest.raises(asyncpg.CheckViolationError):
            await administer(pool, statement)
