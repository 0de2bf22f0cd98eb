"""The audit chain (B6): what its rows hold, and that every changed, dropped or reordered row is found."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import ServicePool
from databases import administer, administrator_of
from identities import any_signer
from servicecert_schemas.operators import AuditCheckpoint
from servicecert_worker.audit.chain import Chain, Unrecorded, digest
from servicecert_worker.audit.checkpoints import Attestor, Signed
from servicecert_worker.audit.verification import Kind, Verified, verify, verify_checkpoints
from servicecert_worker.core.decider import Conflict, Due, Result
from servicecert_worker.core.faults import is_transient
from servicecert_worker.core.fold import Item
from servicecert_worker.core.record import Arrival, Poison, Record
from servicecert_worker.core.service_keys import TrustedKey, make_keys, read_key, read_public_keys
from servicecert_worker.runtime.turn import Turns
from toy import service as toy
from worker.test_fold import arrival

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)
CASES = [UUID(int=n) for n in range(1, 5)]


@dataclass
class AuditLog:
    """A service's audit chains, written by turns without workers."""

    pool: asyncpg.Pool[Any]
    admin: asyncpg.Connection[Any]
    keys: Path
    chains: list[Chain] = field(default_factory=list)

    async def begin(self) -> Chain:
        chain = Chain(toy.NAME, {"keys": ["a-key"]}, os.urandom)
        await chain.begin(self.pool, NOW)
        self.chains.append(chain)
        return chain

    async def take(self, chain: Chain, items: Sequence[Item]) -> None:
        await Turns(toy.toy(Path(os.devnull), 0), self.pool, chain, any_signer(toy.NAME)).take(items, None, NOW, 0, "")

    async def attest(self) -> bool:
        return await Attestor(toy.NAME, self.pool, read_key(self.keys / "toy.key", toy.NAME), lambda: NOW).attest()

    async def exported(self) -> list[Signed]:
        rows = await self.admin.fetch("select payload from outbox where topic = 'audit-checkpoints' order by id")
        return [Signed.of(AuditCheckpoint.model_validate_json(row["payload"])) for row in rows]

    async def verified(self, exported: Sequence[Signed] | None = None) -> Verified:
        """Verify the audit against these checkpoints in the topic, before and after."""

        async def later() -> Sequence[Signed]:
            return exported or ()

        return await verify(self.admin, toy.NAME, read_public_keys(self.keys), exported, later=later)

    async def entries(self, chain: Chain) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select entry from audit where chain = $1 order by seq", chain.id)
        return [json.loads(row["entry"]) for row in rows]


@pytest.fixture
async def audit_log(service_pool: ServicePool, tmp_path: Path) -> AsyncIterator[AuditLog]:
    pool = await service_pool(toy.NAME, toy.MIGRATIONS)
    make_keys(tmp_path / "keys", [toy.NAME])
    admin = await asyncpg.connect(await administrator_of(pool), server_settings={"search_path": toy.NAME})
    yield AuditLog(pool, admin, tmp_path / "keys")
    admin.terminate()


async def test_B6_a_row_tells_what_happened_and_what_followed(audit_log: AuditLog) -> None:
    chain = await audit_log.begin()
    event = arrival(CASES[0], "1")
    await audit_log.take(chain, [event])
    begun, row = await audit_log.entries(chain)
    assert begun["begun"]["keys"] == ["a-key"]
    assert row["happened"]["event"] == "servicecert.application.withdrawn.v1"
    assert row["happened"]["id"] == str(event.id)
    assert row["state"] == "Tally"
    published, intended = row["events"]
    assert intended["type"] == "servicecert.certificate.intended.v1"
    assert (published["type"], published["facts"]) == ("servicecert.certificate.refused.v1", {"code": "n1"})
    assert [intent["kind"] for intent in row["intents"]] == ["act"]
    assert row["deadlines"][0]["kind"] == "wake"
    payload = await audit_log.admin.fetchval("select payload from outbox where event_id = $1", UUID(published["id"]))
    salt = await audit_log.admin.fetchval("select salt from audit where seq = 2")
    assert published["sha256"] == digest(salt, payload)


async def test_B6_results_deadlines_and_what_is_parked_have_rows_too(audit_log: AuditLog) -> None:
    chain = await audit_log.begin()
    await audit_log.take(chain, [arrival(CASES[0], "1")])
    (intent,) = await audit_log.pool.fetch("select id, key from intents")
    (due,) = await audit_log.pool.fetch("select id, key, kind, at from deadlines")
    act = toy.Act(case_id=str(CASES[0]), number="1")
    record = Record("applications", 3, 9, b"Saga", (), b"Saga", NOW)
    await audit_log.take(
        chain,
        [
            Result(intent["id"], intent["key"], "act", act),
            Due(due["id"], due["key"], due["kind"], due["at"]),
            Arrival(record, Poison(uuid4(), "Saga", "no-event", "")),
        ],
    )
    result, woken, parked = (await audit_log.entries(chain))[2:]
    assert (result["happened"]["result"], result["events"][0]["facts"]["code"]) == ("act", "acted-1")
    assert woken["happened"]["deadline"] == "wake"
    assert (parked["parked"], parked["happened"]["event"]) == ("no-event", None)
    keys = await audit_log.pool.fetch("select distinct key from audit where key <> ''")
    assert {row["key"] for row in keys} == {str(CASES[0]), "applications/3/9"}


async def test_B6_chains_and_their_checkpoints_verify(audit_log: AuditLog) -> None:
    await written(audit_log)
    verified = await audit_log.verified(await audit_log.exported())
    assert verified == Verified(rows=9, chains=2, checkpoints=2, attested=8)
    assert not (await audit_log.verified([])).findings  # A checkpoint in the outbox is not exported yet.


async def test_B6_the_age_of_the_oldest_unattested_row_is_a_metric(audit_log: AuditLog) -> None:
    async def age() -> float:
        wanted = "name = 'servicecert_audit_unattested_seconds'"
        return float(await audit_log.admin.fetchval(f"select value from worker_figures($1) where {wanted}", LATER))

    assert await age() == 0
    await written(audit_log)
    assert await age() == 90
    assert await audit_log.attest()
    assert await age() == 0


async def written(audit_log: AuditLog) -> None:
    """Write two chains that grew in turns, with two checkpoints, and a row after the last."""
    one, other = await audit_log.begin(), await audit_log.begin()
    await audit_log.take(one, [arrival(CASES[0], "1"), arrival(CASES[1], "1")])
    await audit_log.take(other, [arrival(CASES[2], "1")])
    assert await audit_log.attest()
    await audit_log.take(one, [arrival(CASES[0], "2"), arrival(CASES[1], "2")])
    await audit_log.take(other, [arrival(CASES[3], "1")])
    assert await audit_log.attest()
    assert not await audit_log.attest()
    await audit_log.take(one, [arrival(CASES[0], "3")])


async def test_B6_the_newest_checkpoints_follow_the_one_before_them(audit_log: AuditLog) -> None:
    await written(audit_log)
    (first, second), keys = await audit_log.exported(), read_public_keys(audit_log.keys)

    def faults(stored: Sequence[Signed], before: Signed | None = None) -> list[str]:
        verified = Verified()
        verify_checkpoints(verified, toy.NAME, keys, stored, before)
        return [each.text for each in verified.findings]

    assert faults([first, second]) == faults([second], first) == []
    assert faults([second]) == ["checkpoints 1 to 1 are missing"]
    assert faults([second], replace(first, text="other")) == ["it does not follow the previous checkpoint"]
    keys = {}
    unsigned = ["it does not follow the previous checkpoint", "no trusted key signed it"]
    assert faults([second], replace(first, text="other")) == unsigned


MUTATIONS = {
    "an entry": ("update audit set entry = replace(entry, 'n2', 'n3') where chain = $1 and seq = 4", {("changed", 4)}),
    "a time": ("update audit set at = at + interval '1 microsecond' where chain = $1 and seq = 2", {("changed", 2)}),
    "a key": ("update audit set key = 'x' where chain = $1 and seq = 2", {("changed", 2)}),
    "a hash": (
        "update audit set hash = sha256(hash) where chain = $1 and seq = 4",
        {("changed", 4), ("changed", 5)},
    ),
    "a row of the middle": ("delete from audit where chain = $1 and seq = 3", {("missing", 3)}),
    "the first row": ("delete from audit where chain = $1 and seq = 1", {("missing", 1)}),
    "two rows that follow each other": (
        "update audit set seq = case seq when 3 then 4 else 3 end where chain = $1 and seq in (3, 4)",
        {("reordered", 3), ("reordered", 4)},
    ),
    "two rows apart": (
        "update audit set seq = case seq when 2 then 5 else 2 end where chain = $1 and seq in (2, 5)",
        {("reordered", 2), ("reordered", 5)},
    ),
    "the last rows": ("delete from audit where chain = $1 and seq >= 5", {("cut", 5)}),
    "a whole chain": (
        "with a as (delete from audit where chain = $1) delete from audit_chains where chain = $1",
        {("cut", None)},
    ),
    "a chain of nobody": (
        "insert into audit select gen_random_uuid(), 1, at, key, entry, hash from audit where chain = $1 and seq = 2",
        {("changed", 1), ("unknown-chain", 1), ("kept-back", None)},
    ),
    "a checkpoint's text": (
        "update audit_checkpoints set body = replace(body, '12:00', '12:01') where number = 1 and $1::uuid is not null",
        {("bad-signature", 1), ("bad-checkpoint", 1), ("bad-checkpoint", 2)},
    ),
    "a checkpoint": (
        "delete from audit_checkpoints where number = 1 and $1::uuid is not null",
        {("bad-checkpoint", 1)},
    ),
    "the last checkpoint": (
        "delete from audit_checkpoints where number = 2 and $1::uuid is not null",
        {("bad-checkpoint", 2)},
    ),
}


async def test_B6_each_kind_of_tampering_is_found(audit_log: AuditLog) -> None:
    await written(audit_log)
    exported = await audit_log.exported()
    for table in ("audit", "audit_chains", "audit_checkpoints"):
        await audit_log.admin.execute(f"create table saved_{table} as table {table}")
    await audit_log.admin.execute(
        "set session_replication_role = replica"
    )  # Triggers do not apply to this administrator.
    await audit_log.admin.execute("alter table audit drop constraint audit_pkey")
    for what, (mutation, expected) in MUTATIONS.items():
        await audit_log.admin.execute(mutation, audit_log.chains[0].id)
        found = {(finding.kind.value, finding.number) for finding in (await audit_log.verified(exported)).findings}
        if what == "the first row":
            found -= {("unknown-chain", 2)}
        assert found == expected, what
        for table in ("audit", "audit_chains", "audit_checkpoints"):
            await audit_log.admin.execute(f"delete from {table}; insert into {table} select * from saved_{table}")
    assert not (await audit_log.verified(exported)).findings


async def test_B6_rewritten_history_contradicts_its_checkpoint(audit_log: AuditLog) -> None:
    """An administrator can recompute every hash and create checkpoints, but does not have the key."""
    await written(audit_log)
    exported = await audit_log.exported()
    await audit_log.admin.execute("set session_replication_role = replica")
    await audit_log.admin.execute("delete from audit; delete from audit_chains; delete from outbox")
    honest, audit_log.chains = audit_log.chains, []
    forged = Chain(toy.NAME, {}, lambda count: honest[0].id.bytes if count == 16 else os.urandom(count))
    await forged.begin(audit_log.pool, NOW)
    await audit_log.take(forged, [arrival(CASES[0], str(n)) for n in range(7, 13)])
    found = {finding.kind for finding in (await audit_log.verified(exported)).findings}
    assert found == {Kind.FORGED, Kind.CUT}
    await audit_log.admin.execute("delete from audit_checkpoints")
    make_keys(audit_log.keys.with_name("mallory"), [toy.NAME])
    await Attestor(
        toy.NAME, audit_log.pool, read_key(audit_log.keys.with_name("mallory") / "toy.key", toy.NAME), lambda: NOW
    ).attest()
    kinds = {finding.kind for finding in (await audit_log.verified(exported)).findings}
    assert {Kind.BAD_SIGNATURE, Kind.BAD_CHECKPOINT, Kind.FORGED} <= kinds


async def test_B6_a_checkpoint_that_never_came_out_and_two_of_one_number_are_found(audit_log: AuditLog) -> None:
    await written(audit_log)
    first, second = await audit_log.exported()
    await audit_log.admin.execute("delete from outbox")
    (finding,) = (await audit_log.verified([first])).findings
    assert (finding.kind, finding.number) == (Kind.NOT_EXPORTED, 2)
    keys = read_public_keys(audit_log.keys)

    async def meanwhile() -> Sequence[Signed]:
        return (first, second)

    assert not (await verify(audit_log.admin, toy.NAME, keys, [first], later=meanwhile)).findings
    assert not (await verify(audit_log.admin, toy.NAME, keys, [first])).findings, (
        "a saved file has no newer checkpoints"
    )
    assert (await verify(audit_log.admin, toy.NAME, keys, [second])).findings
    again = Signed(2, second.text.replace("12:00", "12:01"), second.key_id, second.signature)
    (finding,) = (await audit_log.verified([first, second, again])).findings
    assert (finding.kind, finding.number) == (Kind.BAD_CHECKPOINT, 2)
    shared = {id: TrustedKey(each.key, frozenset({"issuer"})) for id, each in keys.items()}
    (finding,) = (await verify(audit_log.admin, "issuer", shared, None)).findings[:1]
    assert finding.text == "it is signed for another service or number"


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            "update audit_chains set attested = 1000 where chain = $1",
            "rows up to 1000 are marked as attested, but no checkpoint names them",
        ),
        ("delete from audit_chains where chain = $1", "the next checkpoint would skip it: it is not in audit_chains"),
        (
            "update audit_chains set whole = true where chain = $1",
            "the next checkpoint would skip it: it is marked as whole, but has rows that are not attested",
        ),
    ],
)
async def test_B6_rows_that_are_kept_from_the_next_checkpoint_are_found(
    audit_log: AuditLog, statement: str, text: str
) -> None:
    """Rows that no checkpoint will name could be rewritten after their worker has ended, unnoticed by any metric."""
    await written(audit_log)
    chain = audit_log.chains[0]
    await audit_log.admin.execute(statement, chain.id)
    await audit_log.take(chain, [arrival(CASES[0], "13")])
    await audit_log.attest()
    (finding,) = (await audit_log.verified()).findings
    assert (finding.kind, finding.text, finding.chain) == (Kind.KEPT_BACK, text, chain.id)


async def test_B6_a_service_s_key_vouches_for_its_own_checkpoints_alone(audit_log: AuditLog) -> None:
    """Otherwise the key of one service, and the database, would suffice to rewrite the history of another."""
    await written(audit_log)
    created = audit_log.keys / f"{toy.NAME}.pub"
    kept = created.rename(created.with_name("notifier.pub"))
    verified = await audit_log.verified()
    assert {(it.kind, it.text) for it in verified.findings} == {(Kind.BAD_SIGNATURE, "the key of notifier signed it")}
    assert verified.attested == 0
    kept.rename(created.with_name(f"{toy.NAME}-2026.pub"))
    assert not (await audit_log.verified()).findings, "one of several of a service"


async def test_B6_rows_stay_but_for_the_salt(audit_log: AuditLog) -> None:
    await written(audit_log)
    for change in (
        "update audit set entry = '{}'",
        "delete from audit",
        "truncate audit",
        "delete from audit_checkpoints",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await audit_log.pool.execute(change)
        with pytest.raises(asyncpg.CheckViolationError):
            await audit_log.admin.execute(change)
    await administer(audit_log.pool, "update audit set salt = null")
    assert not (await audit_log.verified()).findings
    with pytest.raises(asyncpg.CheckViolationError):
        await administer(audit_log.pool, "update audit set salt = 'new'")


async def test_B6_nothing_is_decided_while_the_chain_cannot_be_written(audit_log: AuditLog) -> None:
    chain = await audit_log.begin()
    role = await audit_log.pool.fetchval("select current_user")
    await audit_log.admin.execute(f'revoke insert on audit from "{role}"')
    with pytest.raises(Unrecorded) as failed:
        await audit_log.take(chain, [arrival(CASES[0], "1")])
    assert is_transient(failed.value)  # So the event is tried again, and never parked.
    with pytest.raises(Unrecorded):
        await Chain(toy.NAME, {}, os.urandom).begin(audit_log.pool, NOW)
    for table in ("tally", "inbox", "outbox", "intents", "parked"):
        assert await audit_log.admin.fetchval(f"select count(*) from {table}") == 0
    await audit_log.admin.execute(f'grant insert on audit to "{role}"')
    await audit_log.take(chain, [arrival(CASES[0], "1")])
    assert await audit_log.admin.fetchval("select count(*) from intents") == 1


async def test_B6_after_a_commit_of_unknown_outcome_the_chain_goes_on_where_it_ends(audit_log: AuditLog) -> None:
    chain = await audit_log.begin()
    await audit_log.take(chain, [arrival(CASES[0], "1")])
    chain.head = None
    await audit_log.take(chain, [arrival(CASES[0], "2")])
    assert not (await audit_log.verified()).findings
    await audit_log.admin.execute(
        "insert into audit select chain, 4, at, key, entry, hash, salt from audit where seq = 3"
    )
    with pytest.raises(Conflict):
        await audit_log.take(chain, [arrival(CASES[0], "3")])
    await audit_log.take(chain, [arrival(CASES[0], "3")])
    assert [(f.kind, f.number) for f in (await audit_log.verified()).findings] == [(Kind.CHANGED, 4)]


async def test_B6_rows_that_are_missing_are_a_cut_whatever_another_row_says(audit_log: AuditLog) -> None:
    """Whoever can delete rows can also write that they were lost by a restore, as those of old versions did."""
    gone, shortened = await audit_log.begin(), await audit_log.begin()
    await audit_log.take(shortened, [arrival(CASES[0], "first"), arrival(CASES[1], "second")])
    await audit_log.attest()
    exported = await audit_log.exported()
    for chain, kept in ((gone, 0), (shortened, 1)):
        await audit_log.admin.execute("alter table audit disable trigger all")
        await audit_log.admin.execute("delete from audit where chain = $1 and seq > $2", chain.id, kept)
    await Chain(toy.NAME, {"forgets": {str(gone.id): 1, str(shortened.id): 3}}, os.urandom).begin(audit_log.pool, LATER)
    findings = (await audit_log.verified(exported)).findings
    assert {(each.kind, each.chain) for each in findings} == {(Kind.CUT, gone.id), (Kind.CUT, shortened.id)}
