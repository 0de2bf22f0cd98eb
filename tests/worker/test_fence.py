"""A worker whose database or whose Kafka comes from the past stops before it decides anything; no other one does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from databases import Backup, administer
from identities import Identities
from recycling import Migrated
from servicecert_cli.admin import groups
from servicecert_cli.connections import kafka
from servicecert_launcher import Child, Kafka, Parts
from servicecert_schemas import topics
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.fence import Fence
from servicecert_worker.kafka.journal import TYPE
from servicecert_worker.runtime.publishing import Outgoing, send_all
from servicecert_worker.storage import database
from toy import service as toy
from toy.brokers import Copies
from toy.stand import Stand, assert_exact, eventually, numbered

ENDS = 65
OLD_DATABASE = "The database of toy does not know what its journal has "
OLD_BROKER = "Kafka lacks what toy has sent to its journal: "
DECIDED = "select count(*) from audit"
CASE = UUID(int=1)
"""All events are of one case, and so in one partition of each topic."""
JOURNAL = topics.journal_topic(toy.NAME).name


class Backups(Backup):
    """A copy of a stand's database. The stand is connected again after each change."""

    def __init__(self, stand: Stand, admin_url: str) -> None:
        super().__init__(admin_url, stand.url.rpartition("/")[2])
        self._stand = stand

    async def taken(self) -> None:
        self._stand.pool.terminate()
        self.take()
        self._stand.pool = await database.open_pool(self._stand.url, toy.NAME)

    async def restored(self) -> None:
        self._stand.pool.terminate()
        self.restore()
        self._stand.pool = await database.open_pool(self._stand.url, toy.NAME)


@pytest.fixture
def backups(stand: Stand, parts: Parts) -> Iterator[Backups]:
    backups = Backups(stand, parts.database_url)
    yield backups
    backups.drop()


async def ended(worker: Child, sentence: str, remedy: str) -> None:
    """Wait until a worker has stopped because of the fence, with one sentence and its remedy."""

    async def is_over() -> bool:
        return not worker.alive

    await eventually(is_over, lambda: worker.tail(20))
    assert worker.returncode == ENDS, worker.tail(20)
    (line,) = [line for line in worker.tail(50).splitlines() if sentence in line]
    assert line.endswith(f"Nothing was decided. Start no worker, and run `servicecert {remedy} toy`.")


async def ended_by_database(worker: Child) -> None:
    await ended(worker, OLD_DATABASE, "restore check")


async def ended_by_broker(worker: Child) -> None:
    await ended(worker, OLD_BROKER, "republish")


async def handled(stand: Stand, worker: Child, *numbers: str) -> None:
    """Send the case's numbers, wait until all that follows is published and noted, and stop the worker."""
    before = await stand.fetchval("select count(*) from inbox")
    await stand.send(numbered(CASE, *numbers))
    await stand.wait_handled(before + len(numbers))
    assert worker.stop(60) == 0


async def assigned(worker: Child) -> None:
    """Wait until a worker reads: it has passed the fence."""

    async def reads() -> bool:
        assert worker.alive, worker.tail(20)
        return "Partitions assigned" in worker.tail(50)

    await eventually(reads, lambda: worker.tail(20))


async def committed(stand: Stand, records: int) -> None:
    """Wait until the group's offsets are behind so many records."""
    async with kafka.admin(Cluster(stand.bootstrap, stand.prefix)) as admin:

        async def are() -> bool:
            return sum((await groups.committed(admin, stand.prefix + toy.NAME)).values()) == records

        await eventually(are)


async def test_I1_I2_I13_a_worker_does_not_start_on_a_database_that_forgot_what_it_published(
    stand: Stand, backups: Backups
) -> None:
    await handled(stand, stand.work(), "1", "2")
    await backups.taken()
    await handled(stand, stand.work(), "3", "4", "5")
    await backups.restored()
    before = await stand.fetchval(DECIDED)
    beside = stand.acts.with_suffix(toy.BESIDE)
    beside.unlink()
    await ended_by_database(stand.work())
    # Of a mail that this database forgot, a bounce would be read and ignored.
    assert not beside.exists()
    assert await stand.fetchval(DECIDED) == before
    assert await stand.fetchval("select count(*) from inbox") == 2


async def test_I1_I13_a_worker_does_not_start_on_a_database_that_forgot_what_it_handled(
    stand: Stand, backups: Backups
) -> None:
    await handled(stand, stand.work(), "1")
    await backups.taken()
    worker = stand.work(SERVICECERT_AUDIT_SECONDS="3600")
    await stand.send(numbered(CASE, "ignore-1", "ignore-2"))
    await stand.wait_until("select count(*) = 3 from inbox")
    await committed(stand, 3)
    worker.kill()
    await backups.restored()
    await ended_by_database(stand.work(SERVICECERT_AUDIT_SECONDS="3600"))
    assert await stand.fetchval("select count(*) from inbox") == 1


async def test_I2_I13_a_running_worker_publishes_nothing_from_a_database_that_forgot(
    stand: Stand, backups: Backups
) -> None:
    await handled(stand, stand.work(), "1")
    await backups.taken()
    worker = stand.work()
    await stand.send(numbered(CASE, "2", "3"))
    await stand.wait_handled(3)
    published = len(await stand.records(topics.CERTIFICATES.name))
    # No worker sees that the database is away for a moment.
    worker.freeze()
    await backups.restored()
    worker.thaw()
    await ended_by_database(worker)
    assert len(await stand.records(topics.CERTIFICATES.name)) == published


async def test_I1_I3_I13_a_running_worker_decides_nothing_on_a_database_that_forgot(
    stand: Stand, backups: Backups
) -> None:
    """It has lost its connections, and finds another database when it connects again."""
    await handled(stand, stand.work(), "1")
    await backups.taken()
    worker = stand.work()
    await stand.send(numbered(CASE, "2", "3"))
    await stand.wait_handled(3)
    await committed(stand, 3)
    before = len(await stand.records(topics.CERTIFICATES.name))
    worker.freeze()
    await backups.restored()
    await stand.send(numbered(CASE, "4"))
    worker.thaw()
    await ended_by_database(worker)
    assert await stand.fetchval("select count(*) from inbox") == 1
    assert len(await stand.records(topics.CERTIFICATES.name)) == before


async def test_a_running_worker_goes_on_with_another_database_that_knows_all(stand: Stand, backups: Backups) -> None:
    worker = stand.work()
    await stand.send(numbered(CASE, "1"))
    await stand.wait_handled(1)
    await committed(stand, 1)
    await stand.wait_until("select count(*) = 0 from changes")
    worker.freeze()
    await backups.taken()
    await backups.restored()
    worker.thaw()
    await stand.send(numbered(CASE, "2"))
    await stand.wait_handled(2)
    assert "Another database server answers" in worker.tail(200)
    assert worker.stop(60) == 0


async def test_I1_B6_a_running_worker_handles_again_what_only_the_database_before_had(
    stand: Stand, backups: Backups
) -> None:
    """It was handled there, and no journal has it: the offset is not committed, and the audit chain has no gap."""
    worker = stand.work()
    await stand.send(numbered(CASE, "1"))
    await stand.wait_handled(1)
    await committed(stand, 1)
    await stand.wait_until("select count(*) = 0 from changes")
    worker.freeze()
    await backups.taken()
    async with stand.pool.acquire() as leader:
        await leader.execute("select pg_advisory_lock(lock_of('lead'))")
        worker.thaw()
        await stand.send(numbered(CASE, "2"))
        await stand.wait_until("select count(*) = 2 from inbox")
        worker.freeze()
    await backups.restored()
    assert await stand.fetchval("select count(*) from inbox") == 1
    worker.thaw()
    await stand.wait_handled(2)
    await committed(stand, 2)
    assert worker.stop(60) == 0
    assert await stand.fetchval("select max(seq) - count(*) from audit group by chain") == 0


async def test_a_worker_that_began_on_the_database_before_begins_anew(stand: Stand, backups: Backups) -> None:
    await backups.taken()
    async with stand.pool.acquire() as leader:
        await leader.execute("select pg_advisory_lock(lock_of('lead'))")
        worker = stand.work()
        await assigned(worker)
        worker.freeze()
    await backups.restored()
    worker.thaw()
    await asyncio.to_thread(worker.wait, 60)
    assert (worker.returncode, "start it again" in worker.tail(20)) == (69, True)


async def test_I1_what_is_parked_discarded_or_erased_is_known(stand: Stand) -> None:
    worker = stand.work()
    await stand.send(numbered(CASE, "raise-in-decide", "2"))
    await stand.send_raw(b"no-case", b"no event")
    await stand.wait_until("select count(*) = 3 from parked")
    await committed(stand, 3)
    assert worker.stop(60) == 0
    for change in (
        "select 1",
        "select discard_parked(array(select event_id from parked where reason = 'no-event'))",
        f"with gone as (delete from parked where key = '{CASE}' returning event_id) "
        "insert into inbox (event_id) select event_id from gone",
    ):
        await administer(stand.pool, change)
        worker = stand.work()
        await assigned(worker)
        assert worker.stop(60) == 0
    assert await stand.fetchval("select count(*) from parked") == 0


async def test_I1_I13_no_worker_is_refused_while_leaders_are_killed_under_load(stand: Stand) -> None:
    """Each new one compares what the last one has sent, and has noted or not, with what is sent meanwhile."""
    cases = {uuid4(): [str(number) for number in range(8)] for _ in range(20)}
    workers = [stand.work(SERVICECERT_BATCH="5") for _ in range(2)]
    for number in range(8):
        await stand.send([event for case, numbers in cases.items() for event in numbered(case, numbers[number])])
        await stand.wait_until(f"select count(*) > {20 * number} from inbox")
        workers.append(stand.work(SERVICECERT_BATCH="5"))
        await asyncio.to_thread(workers[number].kill)
    await assert_exact(stand, cases)
    assert all(worker.alive for worker in workers[-2:])
    assert not any(worker.returncode == ENDS for worker in workers)


@pytest.fixture
async def apart(
    parts: Parts, migrated: Callable[..., Migrated], tmp_path: Path, own_kafka: Kafka
) -> AsyncIterator[Stand]:
    """A stand with a broker of its own."""
    stand = Stand(
        replace(parts, bootstrap=own_kafka.bootstrap), migrated(toy=[toy.MIGRATIONS]).urls[toy.NAME], tmp_path
    )
    await stand.open()
    yield stand
    await stand.close()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_I1_I13_F7_a_worker_stops_when_its_broker_is_put_back_to_an_earlier_moment(
    apart: Stand, own_kafka: Kafka, tmp_path: Path, busy: bool
) -> None:
    """Whether it has something to send or not, and again when it starts."""
    await handled(apart, apart.work(), "1")
    copies = Copies(own_kafka, tmp_path)
    await asyncio.to_thread(copies.take)
    workers = [apart.work() for _ in range(2)]
    await apart.send(numbered(CASE, "2", "3"))
    await apart.wait_handled(3)
    await apart.wait_until("select count(*) = 0 from changes")
    before = await apart.fetchval(DECIDED)
    for worker in workers:
        worker.freeze()
    await asyncio.to_thread(copies.put_back)
    if busy:
        await apart.pool.execute("insert into changes (name, keys) values ('key', '{a}')")
    for worker in workers:
        worker.thaw()
    for worker in workers:
        await ended_by_broker(worker)
    await ended_by_broker(apart.work())
    assert await apart.fetchval(DECIDED) == before


async def test_I13_F7_a_worker_does_not_start_on_a_broker_that_lost_its_journal(stand: Stand) -> None:
    await handled(stand, stand.work(), "1")
    async with kafka.admin(Cluster(stand.bootstrap, stand.prefix)) as admin:
        await admin.delete_topics([stand.prefix + JOURNAL])
    await ended_by_broker(stand.work())


def fence(stand: Stand, identities: Identities | None = None) -> Fence:
    verifier = (identities or stand.identities).verifier(stand.prefix)
    return Fence(Cluster(stand.bootstrap, stand.prefix), toy.NAME, verifier)


async def journaled(
    stand: Stand, epoch: int, look: int, *changes: UUID, part: int = 0, last: bool = True, by: Identities | None = None
) -> int:
    """Send a record of the journal, and return the offset after it."""
    head = {"epoch": epoch, "look": look, "part": part, "last": last}
    value = json.dumps({**head, "changes": list(map(str, changes)), "groups": []}).encode()
    id, at, signer = uuid4(), machine_clock(), (by or stand.identities).signer(toy.NAME)
    signature = signer.sign(JOURNAL, toy.NAME, id, TYPE, value, at)
    record = Outgoing(JOURNAL, toy.NAME, id, TYPE, None, at, value, signature)
    (sent,) = await send_all(stand.producer, stand.prefix, signer.source, [record])
    return int(sent.offset) + 1


async def changed(stand: Stand) -> UUID:
    id: UUID = await stand.fetchval("insert into changes (name, keys) values ('key', '{a}') returning id")
    return id


async def noted(stand: Stand, epoch: int, look: int, next_offset: int, *sent: UUID) -> None:
    """As the leader notes a look, and of which changes it was."""
    await stand.pool.execute("delete from changes where id = any($1)", sent)
    await stand.pool.execute("update journal set epoch = $1, look = $2, next_offset = $3", epoch, look, next_offset)


async def known(stand: Stand, identities: Identities | None = None) -> None:
    await fence(stand, identities).require_known(stand.pool.fetch)


async def unknown(stand: Stand, sentence: str = OLD_DATABASE) -> None:
    with pytest.raises(OperatorError, match=sentence) as refused:
        await known(stand)
    assert refused.value.exit_code == ENDS


async def test_I13_a_database_knows_what_it_has_noted_as_sent_or_still_has_to_send(stand: Stand) -> None:
    await known(stand)
    sent, waiting = await changed(stand), await changed(stand)
    await noted(stand, 1, 1, await journaled(stand, 1, 1, sent), sent)
    await known(stand)
    await journaled(stand, 1, 2, waiting)
    await known(stand)
    await journaled(stand, 1, 3, uuid4())
    await unknown(stand)


async def test_I13_a_database_that_has_noted_nothing_is_not_that_of_a_journal(stand: Stand) -> None:
    waiting = await changed(stand)
    await journaled(stand, 1, 1, waiting)
    await known(stand)
    await journaled(stand, 1, 2, uuid4())
    await unknown(stand)


async def test_I13_what_is_no_whole_look_or_a_relay_s_that_was_cut_off_proves_nothing(stand: Stand) -> None:
    await noted(stand, 5, 6, await journaled(stand, 5, 6))
    await journaled(stand, 5, 7, uuid4(), last=False)
    await journaled(stand, 6, 1, uuid4(), last=False)
    await journaled(stand, 6, 1, uuid4(), part=2)
    await journaled(stand, 7, 1)
    await journaled(stand, 5, 7, part=1)
    await journaled(stand, 5, 8, uuid4())
    await known(stand)
    waiting = await changed(stand)
    await journaled(stand, 7, 2, waiting, last=False)
    await journaled(stand, 5, 9, uuid4())
    await journaled(stand, 7, 2, uuid4(), part=1)
    await unknown(stand)


async def test_I13_what_the_leader_notes_while_another_worker_compares_is_known(stand: Stand) -> None:
    await noted(stand, 1, 1, await journaled(stand, 1, 1))
    change = await changed(stand)
    end = await journaled(stand, 1, 2, change)

    async def fetch(query: str, *arguments: object) -> Any:
        rows = await stand.pool.fetch(query, *arguments)
        await noted(stand, 1, 2, end, change)
        return rows

    await fence(stand).require_known(fetch)


async def test_I13_a_journal_of_another_look_where_the_last_one_was_noted_is_not_this_database_s(stand: Stand) -> None:
    await noted(stand, 1, 2, await journaled(stand, 2, 2))
    await unknown(stand, OLD_BROKER)


async def test_I13_a_journal_whose_first_records_are_gone_by_retention_is_known_by_the_others(stand: Stand) -> None:
    async def forget(before: int) -> None:
        await admin.delete_records({TopicPartition(stand.prefix + JOURNAL, 0): RecordsToDelete(before)})

    async with kafka.admin(Cluster(stand.bootstrap, stand.prefix)) as admin:
        end = await journaled(stand, 1, 1)
        await noted(stand, 1, 1, end)
        await forget(end)
        await known(stand)
        await journaled(stand, 1, 2, uuid4(), last=False)
        end = await journaled(stand, 1, 2, uuid4(), part=1)
        await forget(end - 1)
        await unknown(stand)
        # Whether its last look was noted is not known: it has what it may have sent.
        await changed(stand)
        await known(stand)
        await journaled(stand, 1, 3, uuid4())
        await unknown(stand)


async def test_f2_a_record_that_the_service_has_not_signed_proves_nothing_and_stops_nothing(
    stand: Stand, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    others = Identities(tmp_path / "others", [toy.NAME])
    await noted(stand, 1, 2, await journaled(stand, 1, 1, by=others))
    await journaled(stand, 1, 3, uuid4(), by=others)
    await stand.producer.send_and_wait(stand.prefix + JOURNAL, b"no record of a journal")
    await known(stand)
    assert caplog.text.count("alarm: a record of the journal is not signed by its service") == 3
    # As once its key is pinned.
    with pytest.raises(OperatorError, match=OLD_BROKER):
        await known(stand, others)
