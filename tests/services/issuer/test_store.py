"""The issuer's table refuses invalid changes (B2, I3, I4)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import pytest
from databases import administer
from figures import figure
from servicecert_issuer.domain.examine import IssuingContext
from servicecert_issuer.domain.issuance import Intended, Recorded, Refused, SigningOrder, State, Stopped, Voided
from servicecert_issuer.domain.unissuable import KEY_OF_ANOTHER
from servicecert_issuer.storage.store import CertificateStore, states
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.core.decider import Conflict, FactsInvalid, Stored
from services.issuer.harness import kept, signed

Accepted = Callable[..., ApplicationAccepted]
Pool: TypeAlias = "asyncpg.Pool[Any]"

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
STORE = CertificateStore()


@pytest.fixture(scope="module")
def intended(intend: Callable[..., Intended]) -> Intended:
    return intend(serial=0x4A01)


@pytest.fixture(scope="module")
def recorded(
    intended: Intended, context: IssuingContext, ca_keys: Mapping[str, SigningKey], accepted: Accepted
) -> Recorded:
    return Recorded.of(intended, signed(context, ca_keys, intended, accepted()))


async def save(pool: Pool, *changed: Stored[State]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await STORE.save(connection, changed)


async def load(pool: Pool, *keys: str) -> list[Stored[State]]:
    async with pool.acquire() as connection:
        return sorted(await STORE.load(connection, keys), key=lambda stored: stored.key)


async def test_what_is_saved_is_loaded_with_the_next_version(
    pool: Pool, intended: Intended, recorded: Recorded
) -> None:
    await save(pool, Stored("a", 0, intended), Stored("b", 0, Refused("validity")))
    assert await load(pool, "a", "b", "c") == [Stored("a", 1, intended), Stored("b", 1, Refused("validity"))]
    await save(pool, Stored("a", 1, recorded))
    assert await load(pool, "a") == [Stored("a", 2, recorded)]


async def test_E3_f3_the_signed_application_is_kept_until_its_case_ends(
    pool: Pool, intended: Intended, recorded: Recorded, accepted: Accepted
) -> None:
    """Also where the release before, or the eraser, writes the end: neither knows the column."""
    record = kept(accepted())
    stopped = Stopped(accepted(), "production-ec", ("pkix.a",), record)
    bare = replace(intended, linted=replace(intended.linted, issuer="test-ec"))
    await save(pool, Stored("a", 0, replace(intended, record=record)), Stored("b", 0, stopped), Stored("c", 0, stopped))
    await save(pool, Stored("b", 1, bare))
    assert [each.state.record for each in await load(pool, "a", "b", "c")] == [record] * 3
    await save(pool, Stored("a", 1, recorded), Stored("b", 2, Voided(bare, "deadline")), Stored("c", 1, Refused("x")))
    assert await pool.fetchval("select count(record) from certificates") == 0
    assert await load(pool, "a") == [Stored("a", 2, recorded)]


async def test_stopped_application_goes_on_or_is_refused(pool: Pool, intended: Intended, accepted: Accepted) -> None:
    stopped = Stopped(accepted(), "production-ec", ("pkix.a", 'with "quotes", {braces} and \\'))
    await save(pool, *(Stored(key, 0, stopped) for key in "abc"))
    assert await load(pool, "a", "b") == [Stored("a", 1, stopped), Stored("b", 1, stopped)]
    digest = accepted().application_sha256
    changed: dict[str, State] = {
        "a": intended,
        "b": Refused("withdrawn", digest),
        "c": replace(stopped, findings=("pkix.b",)),
    }
    await save(pool, *(Stored(key, 1, state) for key, state in changed.items()))
    assert await load(pool, "a", "b", "c") == [Stored(key, 2, state) for key, state in changed.items()]
    with pytest.raises(Conflict):
        await save(pool, Stored("c", 1, stopped))


async def test_B2_intent_ends_void_and_stays_so(pool: Pool, intended: Intended) -> None:
    voided = Voided(intended, "deadline")
    await save(pool, Stored("a", 0, intended))
    await save(pool, Stored("a", 1, voided))
    assert await load(pool, "a") == [Stored("a", 2, voided)]
    for statement in (
        "update certificates set state = 'issued', certificate = 'x', refusal = null",
        "update certificates set state = 'intended', refusal = null",
        "update certificates set refusal = 'other'",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(statement)


@pytest.mark.parametrize("version", [0, 2])
async def test_moved_version_conflicts(pool: Pool, intended: Intended, recorded: Recorded, version: int) -> None:
    await save(pool, Stored("a", 0, intended))
    state = recorded if version else intended
    with pytest.raises(Conflict):
        await save(pool, Stored("a", version, state))
    assert await load(pool, "a") == [Stored("a", 1, intended)]


async def test_I4_nothing_is_issued_that_was_not_intended(pool: Pool, recorded: Recorded) -> None:
    with pytest.raises(Conflict):
        await save(pool, Stored("a", 1, recorded))


async def test_I3_serial_is_unique_in_its_ca(pool: Pool, intended: Intended) -> None:
    await save(pool, Stored("a", 0, intended))
    with pytest.raises(FactsInvalid, match="is taken") as invalid:
        await save(pool, Stored("b", 0, intended))
    assert not invalid.value.replacements
    other = replace(intended, linted=replace(intended.linted, issuer="test-ec"))
    await save(pool, Stored("b", 0, other))


async def test_A4_key_belongs_to_the_organisation_that_it_was_first_intended_for(
    pool: Pool, intend: Callable[..., Intended], accepted: Accepted
) -> None:
    other = accepted(subject=accepted().subject.model_copy(update={"business_id": "0116297-6"}))
    await save(pool, Stored("a", 0, intend(serial=1)))
    with pytest.raises(FactsInvalid, match="another organisation") as invalid:
        await save(pool, Stored("b", 0, intend(other, serial=2)))
    assert invalid.value.replacements == {"b": KEY_OF_ANOTHER}
    await save(pool, Stored("c", 0, intend(serial=3)))


async def test_B2_what_is_intended_never_changes(pool: Pool, intended: Intended) -> None:
    await save(pool, Stored("a", 0, intended))
    for step in ("", "state = 'issued', certificate = 'x', "):
        for change in (
            "tbs = 'other'",
            "serial = '4a02'",
            "issuer = 'test-ec'",
            "key = 'b'",
            "not_after = now()",
            "profile_version = 3",
            "sign_by = now()",
            "business_id = '0116297-6'",
        ):
            with pytest.raises(asyncpg.CheckViolationError):
                await pool.execute(f"update certificates set {step}{change}")
    assert await load(pool, "a") == [Stored("a", 1, intended)]


async def test_issued_certificate_stays(pool: Pool, intended: Intended, recorded: Recorded) -> None:
    await save(pool, Stored("a", 0, intended))
    await save(pool, Stored("a", 1, recorded))
    for statement in (
        "update certificates set state = 'intended', certificate = null",
        "update certificates set state = 'refused', refusal = 'x'",
        "update certificates set certificate = 'another'",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("delete from certificates")
    with pytest.raises(asyncpg.CheckViolationError):
        await administer(pool, "delete from certificates")
    assert await load(pool, "a") == [Stored("a", 2, recorded)]


async def test_row_that_skips_a_step_is_refused(pool: Pool) -> None:
    for row in (
        "(key, version, state, certificate) values ('a', 1, 'issued', 'x')",
        "(key, version, state) values ('a', 1, 'intended')",
        "(key, version, state, refusal, tbs) values ('a', 1, 'refused', 'x', 'x')",
        "(key, version, state) values ('a', 1, 'refused')",
        "(key, version, state, refusal) values ('a', 1, 'voided', 'x')",
        "(key, version, state, application) values ('a', 1, 'stopped', '{}')",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(f"insert into certificates {row}")


async def test_open_issuances_are_counted(pool: Pool, accepted: Accepted) -> None:
    assert await figure(pool, NOW, "issuances_open") == {"intended": 0, "stopped": 0}
    await save(pool, Stored("a", 0, Stopped(accepted(), "production-ec", ("x",))))
    await pool.execute(
        "insert into intents (id, key, kind, data, owner, since) values (gen_random_uuid(), 'b', 'sign', '', 0, now())"
    )
    assert await figure(pool, NOW, "issuances_open") == {"intended": 1, "stopped": 1}


async def test_what_is_recorded_of_intents_is_read(pool: Pool, intended: Intended) -> None:
    order = SigningOrder.of(intended)
    await save(pool, Stored("a", 0, intended), Stored("refused", 0, Refused("x")))

    async def recorded() -> Intended:
        found = (await states(pool, ["a", "b", "refused"]))["a"]
        assert isinstance(found, Intended)
        assert order.is_of(found)
        return found

    assert await recorded() == intended
    assert (await recorded()).unwanted is None
    await pool.execute("insert into unwanted (key, reason) values ('a', 'the token is destroyed')")
    assert (await recorded()).unwanted == "operator"
    await pool.execute("insert into blocked_keys (key_sha256) select key_sha256 from certificates where key = 'a'")
    assert (await recorded()).unwanted == "key-compromised"
    await save(pool, Stored("a", 1, Voided(intended, "operator")))
    assert await states(pool, ["a", "b"]) == {"a": Voided(intended, "operator")}
