"""Workers survive outages without an operator, and notice another cluster or topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import aiohttp
import psycopg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from databases import stop_immediate
from prometheus_client.parser import text_string_to_metric_families
from servicecert_cli.admin.topics import create as create_topics
from servicecert_launcher import Kafka, Parts
from servicecert_schemas import topics
from servicecert_worker.core.faults import Outage
from servicecert_worker.kafka import origins
from servicecert_worker.kafka.cluster import Cluster
from toy.stand import TOPICS, Stand, assert_exact, eventually, numbered

pytestmark = pytest.mark.usefixtures("measured_processes")


async def steadily(stand: Stand, disturb: Callable[[], object]) -> None:
    """Publish for a while, disturb in the middle, and assert exact results and a live worker at the end."""
    cases: dict[UUID, list[str]] = {uuid4(): ["1", "2", "3"] for _ in range(40)}
    worker = stand.work(SERVICECERT_BATCH="10")
    for place in range(3):
        sent = asyncio.create_task(stand.send([e for case in cases for e in numbered(case, cases[case][place])]))
        if place == 1:
            await stand.wait_until("select count(*) > 10 from inbox")
            await asyncio.to_thread(disturb)
        await sent
    await assert_exact(stand, cases)
    assert worker.alive


@pytest.mark.long
async def test_I1_a_broker_that_is_killed_and_comes_back(stand: Stand, own_kafka: Kafka) -> None:
    def disturb() -> None:
        own_kafka.kill()
        own_kafka.restart()

    await steadily(stand, disturb)


async def test_I1_a_database_that_stops_at_once_and_comes_back(stand: Stand, parts: Parts) -> None:
    assert parts.postgres is not None

    def disturb() -> None:
        stop_immediate(parts.postgres)
        parts.postgres.restart()

    await steadily(stand, disturb)


async def test_I1_all_database_connections_are_terminated(stand: Stand, parts: Parts) -> None:
    def disturb() -> None:
        with psycopg.connect(parts.database_url, autocommit=True) as connection:
            for _ in range(5):
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'servicecert-toy'"
                )

    await steadily(stand, disturb)


async def test_a_lost_owner_connection_lets_another_owner_adopt(stand: Stand) -> None:
    def disturb() -> None:
        with psycopg.connect(stand.url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(l.pid) from pg_locks l join intents i"
                " on (l.classid::bigint << 32) | l.objid::bigint = lock_of('owner/' || i.owner)"
                " where l.locktype = 'advisory'"
            )

    await steadily(stand, disturb)


async def test_an_act_that_only_a_newer_release_knows_is_left_to_it(stand: Stand) -> None:
    await stand.pool.execute(
        "insert into intents (id, key, kind, data, owner, since)"
        " values (gen_random_uuid(), 'a', 'newer', '{}', 0, now())"
    )
    worker, case = stand.work(), uuid4()
    await stand.send(numbered(case, "1"))
    await stand.wait_until("select count(*) = 0 from deadlines")
    await stand.wait_until("select count(*) = 1 from inbox")
    await stand.wait_until("select count(*) = 1 from intents")
    assert worker.stop(60) == 0
    assert await stand.fetchval("select kind from intents") == "newer"
    assert len(stand.acts.read_text().splitlines()) == 1


@pytest.mark.long
async def test_a_topic_that_is_created_again_stops_the_worker_with_a_sentence(stand: Stand) -> None:
    worker = stand.work()
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(1)
    await stand.wait_until("select count(*) = 6 from origins")
    admin = AIOKafkaAdminClient(bootstrap_servers=stand.bootstrap)
    await admin.start()
    await admin.delete_topics([stand.prefix + topics.APPLICATIONS.name])
    await admin.close()
    await create_topics(Cluster(stand.bootstrap, stand.prefix), TOPICS)
    await stand.wait_dead(worker, "the look at the topics' ids")
    assert worker.returncode == 65
    (sentence,) = worker.tail(1).splitlines()
    assert f"topic {stand.prefix}applications was recreated" in sentence
    assert "servicecert topics accept toy" in sentence


async def test_a_missing_topic_is_named_with_the_way_out(stand: Stand) -> None:
    worker = stand.work(SERVICECERT_TOPIC_PREFIX="nowhere-")
    await stand.wait_dead(worker, "the look for its topics")
    assert worker.returncode == 78
    assert "run `servicecert topics create`" in worker.tail(1)


async def test_the_worker_says_whether_it_is_live_and_ready_and_what_it_counts(stand: Stand) -> None:
    worker = stand.work()
    await stand.send(numbered(uuid4(), "1", "2"))
    await stand.wait_handled(2)
    address = stand.health_file(0).read_text()
    async with aiohttp.ClientSession() as session:
        for path, text in (("live", "live"), ("ready", "ready")):
            async with session.get(f"http://{address}/{path}") as answer:
                assert (answer.status, (await answer.text()).strip()) == (200, text)
        async with session.get(f"http://{address}/metrics") as answer:
            metrics = await answer.text()
    families = {each.name: each for each in text_string_to_metric_families(metrics)}
    (handled,) = [each for each in families["servicecert_events"].samples if each.labels.get("outcome") == "handled"]
    assert (handled.labels["topic"], handled.value) == (f"{stand.prefix}applications", 2)
    ages = [each for each in families["servicecert_event_age_seconds"].samples if each.name.endswith("_count")]
    assert [(each.labels, each.value) for each in ages] == [({"service": "toy", "type": handled.labels["type"]}, 2)]
    (build,) = families["servicecert_build_info"].samples
    assert build.labels.keys() == {"service", "version", "python"}
    assert worker.stop(60) == 0


@pytest.mark.long
async def test_an_outage_is_logged_once_and_shows_in_readiness(stand: Stand, own_kafka: Kafka) -> None:
    worker = stand.work()
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(1)
    await asyncio.to_thread(own_kafka.kill)

    async def ready() -> int:
        address = stand.health_file(0).read_text()
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}/ready") as answer:
            return answer.status

    async def unready() -> bool:
        return await ready() == 503

    async def well() -> bool:
        return await ready() == 200

    await eventually(unready)
    await asyncio.to_thread(own_kafka.restart)
    await eventually(well)
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(2)
    assert worker.alive
    outages = [line for line in worker.tail(500).splitlines() if "unavailable" in line]
    assert 1 <= len(outages) <= 3


@pytest.fixture
def own_kafka(parts: Parts) -> Kafka:
    """The broker, for tests that kill it: only where it is ours."""
    assert parts.kafka is not None
    return parts.kafka


async def test_a_database_that_does_not_answer_shows_in_readiness_and_no_other_part_is_blamed(
    stand: Stand, parts: Parts
) -> None:
    assert parts.postgres is not None
    worker = stand.work()
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(1)

    async def ready() -> str:
        address = stand.health_file(0).read_text()
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}/ready") as answer:
            return f"{answer.status} {(await answer.text()).strip()}"

    async def unready() -> bool:
        return await ready() == "503 PostgreSQL is unavailable"

    async def well() -> bool:
        return await ready() == "200 ready"

    await asyncio.to_thread(stop_immediate, parts.postgres)
    try:
        await eventually(unready)
    finally:
        await asyncio.to_thread(parts.postgres.restart)
    await eventually(well)
    assert worker.alive


async def test_ids_that_cannot_be_compared_for_now_are_no_outage_of_kafka(stand: Stand) -> None:
    outage, asked = Outage("Kafka"), asyncio.Event()

    async def refuse(*_: object) -> None:
        asked.set()
        raise ConnectionRefusedError

    cluster = Cluster(stand.bootstrap, stand.prefix)
    topic = cluster.name(topics.APPLICATIONS)
    watching = asyncio.create_task(origins.watch(cluster, [topic], refuse, outage))
    await asyncio.wait({watching, asyncio.create_task(asked.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert not watching.done()
    assert outage.since is None
    watching.cancel()


async def test_an_act_under_way_is_finished_and_recorded_before_the_worker_stops(stand: Stand) -> None:
    case = uuid4()
    worker = stand.work(TOY_ACT_SECONDS="2")
    await stand.send(numbered(case, "1"))

    async def acting() -> bool:
        return stand.acts.read_text() != ""

    await eventually(acting)
    assert await asyncio.to_thread(worker.stop, 10) == 0
    stand.work()
    await assert_exact(stand, {case: ["1"]})
    assert stand.acts.read_text().count("\n") == 1


async def test_a_worker_that_hangs_ends_for_a_supervisor_to_start_a_better_one(stand: Stand) -> None:
    worker = stand.work(SERVICECERT_STALL_SECONDS="2")
    await stand.send(numbered(uuid4(), "hang-in-decide"))
    await stand.wait_dead(worker, "the watchdog")
    assert worker.returncode == 70
    assert "the event loop is blocked" in worker.tail(1)


async def test_an_act_that_raises_is_tried_again_and_says_nothing_personal(stand: Stand) -> None:
    case = uuid4()
    worker = stand.work()
    await stand.send(numbered(case, "act-raises", "2"))
    await assert_exact(stand, {case: ["act-raises", "2"]})
    assert "RuntimeError at service.py" in worker.tail(50)
    assert "personal" not in worker.tail(50)
