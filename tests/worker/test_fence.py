"""A worker whose database was restored to an earlier moment stops before it decides anything; no other one does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from databases import Backup, administer
from identities import Identities
from servicecert_cli.admin import groups
from servicecert_cli.connections import kafka
from servicecert_launcher import Child, Parts
from servicecert_schemas import topics
from servicecert_schemas.certificate import IssuingRefused
from servicecert_schemas.codec import Record, to_record
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.fence import Fence
from servicecert_worker.storage import database
from toy import service as toy
from toy.stand import PARTITIONS, Stand, eventually, numbered

ENDS = 65
UNKNOWN = "The database of toy does not know records of its topics since "
DECIDED = "select count(*) from audit"
CASE = UUID(int=1)
"""All events are of one case, and so in one partition of each topic."""


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


async def ended(worker: Child) -> str:
    """Wait until a worker has stopped because of the fence, and return its sentence."""

    async def is_over() -> bool:
        return not worker.alive

    await eventually(is_over, lambda: worker.tail(20))
    assert worker.returncode == ENDS, worker.tail(20)
    (sentence,) = [line for line in worker.tail(50).splitlines() if UNKNOWN in line]
    assert sentence.endswith("run `servicecert restore check`.")
    return sentence


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


async def send(stand: Stand, record: Record) -> None:
    await stand.producer.send_and_wait(
        stand.prefix + record.topic, record.value, record.key, headers=list(record.headers)
    )


async def commit_all(stand: Stand, group: str, topic: str) -> None:
    """Commit a group's offsets at the end of a topic, as if it had handled all."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stand.bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.commit(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()


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
    sentence = await ended(stand.work())
    assert "written to certificates" in sentence
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
    # As if it had published nothing, not even the checkpoints of its audit.
    await administer(stand.pool, "update written set next_offset = 1000")
    sentence = await ended(stand.work(SERVICECERT_AUDIT_SECONDS="3600"))
    assert "(at least 2 handled of applications)" in sentence
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
    await ended(worker)
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
    await ended(worker)
    assert await stand.fetchval("select count(*) from inbox") == 1
    assert len(await stand.records(topics.CERTIFICATES.name)) == before


async def test_a_running_worker_goes_on_with_another_database_that_knows_all(stand: Stand, backups: Backups) -> None:
    worker = stand.work()
    await stand.send(numbered(CASE, "1"))
    await stand.wait_handled(1)
    await committed(stand, 1)
    await stand.wait_until("select count(*) = 0 from outbox")
    worker.freeze()
    await backups.taken()
    await backups.restored()
    worker.thaw()
    await stand.send(numbered(CASE, "2"))
    await stand.wait_handled(2)
    assert "Another database server answers" in worker.tail(200)
    assert worker.stop(60) == 0


@pytest.mark.parametrize("later_ms", [0, 5_000])
async def test_what_is_not_decided_by_the_service_or_a_second_copy_is_not_unknown(stand: Stand, later_ms: int) -> None:
    await handled(stand, stand.work(), "1")
    (copied, *_) = await stand.records(topics.CERTIFICATES.name)
    # A relay that was paused sends its last record once more, perhaps by a clock that is ahead; others write too.
    time = int(copied.written.timestamp() * 1000) + later_ms
    await stand.producer.send_and_wait(
        copied.topic, copied.value, copied.key, copied.partition, time, list(copied.headers)
    )
    signer = stand.identities.signer(toy.NAME)
    data = IssuingRefused(case_id=CASE, code="n9", texts=toy.NO_TEXTS)
    own = to_record(data, source="/toy", id=uuid4(), time=machine_clock())
    by_a_command = to_record(data, source="/toy/standings", id=uuid4(), time=machine_clock())
    for record in (own, signer.signed(by_a_command)):
        await send(stand, record)
    await handled(stand, stand.work(), "2")
    await send(stand, signer.signed(own))
    assert "(1 written to certificates)" in await ended(stand.work())


async def test_I1_a_version_that_handles_what_an_earlier_one_ignored_does_not_start(
    stand: Stand, tmp_path: Path
) -> None:
    """Its tables lack what the earlier version did not decide."""
    worker = stand.work()
    await stand.send(numbered(CASE, "1", "skip"))
    await stand.wait_handled(1)
    await committed(stand, 2)
    assert worker.stop(60) == 0
    earlier = toy.toy(tmp_path / "acts", 0)
    fences = [
        Fence(
            Cluster(stand.parts.bootstrap, stand.prefix),
            service,
            stand.identities.verifier(stand.prefix),
            timedelta(days=90),
        )
        for service in (earlier, replace(earlier, rules=replace(earlier.rules, concerns=lambda _: True)))
    ]
    await fences[0].require_known(stand.pool.fetch)
    with pytest.raises(OperatorError, match="at least 1 handled of applications"):
        await fences[1].require_known(stand.pool.fetch)


async def test_F2_a_record_whose_writer_s_key_is_gone_proves_nothing_about_the_database(
    stand: Stand, tmp_path: Path
) -> None:
    """It was ignored while the key was pinned, as CRLs are by most readers: no table knows it."""
    issuer = Identities(tmp_path / "issuer-s", ["issuer"])
    ignored = to_record(
        IssuingRefused(case_id=CASE, code="n9", texts=toy.NO_TEXTS), source="/issuer", id=uuid4(), time=machine_clock()
    )
    await send(stand, issuer.signer("issuer").signed(ignored))
    cluster = Cluster(stand.parts.bootstrap, stand.prefix)
    await commit_all(stand, cluster.group(toy.NAME), cluster.name(topics.CERTIFICATES))
    of = toy.toy(tmp_path / "acts", 0)
    service = replace(of, reads=(topics.CERTIFICATES,), rules=replace(of.rules, concerns=lambda _: False))
    for pinned in (issuer, Identities(tmp_path / "others", ["issuer"])):
        fence = Fence(cluster, service, pinned.verifier(stand.prefix), timedelta(days=90))
        await fence.require_known(stand.pool.fetch)


async def test_a_database_that_has_noted_nothing_yet_takes_the_topics_as_they_are(stand: Stand) -> None:
    await handled(stand, stand.work(), "1")
    await administer(stand.pool, "delete from written")
    await handled(stand, stand.work(), "2")
    checkpoints = len(await stand.records(topics.AUDIT_CHECKPOINTS.name))
    noted = await stand.fetchval("select next_offset from written where topic = 'audit-checkpoints'")
    assert 1 < noted <= checkpoints


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


async def test_accepting_other_topics_forgets_what_was_written_to_the_old_ones(stand: Stand) -> None:
    await handled(stand, stand.work(), "1")
    assert await stand.fetchval("select count(*) > 0 from written")
    await administer(stand.pool, "select forget_origins()")
    assert await stand.fetchval("select count(*) from written") == 0
