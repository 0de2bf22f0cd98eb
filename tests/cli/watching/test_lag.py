"""`servicecert lag --serve`, on real Kafka and PostgreSQL."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from commandline import do, run_process, until
from databases import new_database
from prometheus_client.parser import text_string_to_metric_families
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.applications import colleague, example
from servicecert_cli.operations.migrating import migrate
from servicecert_cli.watching.lag.app import Exporter
from servicecert_cli.watching.settings import LagSettings
from servicecert_schemas.topics import CATALOGUE, FOLLOWED, SERVICES
from servicecert_schemas.values import CertificateType
from servicecert_worker.storage import database, schema

READ = [topic for topic in CATALOGUE if topic not in FOLLOWED]
OWED = {service: [topic for topic in READ if service in topic.readers] for service in SERVICES}


class Shown:
    """What an exporter shows: samples by metric."""

    def __init__(self, text):
        self.families = {each.name: each.samples for each in text_string_to_metric_families(text)}

    def value(self, name, **labels):
        """Return the only sample with these labels."""
        (found,) = [each.value for each in self.families[name] if labels.items() <= each.labels.items()]
        return found

    def values(self, name, **labels):
        return [each.value for each in self.families.get(name, []) if labels.items() <= each.labels.items()]


@asynccontextmanager
async def exporting(cluster, **more):
    settings = LagSettings(
        bootstrap_servers=cluster.bootstrap, topic_prefix=cluster.prefix, seconds=0.5, window=2, **more
    )
    exporter = Exporter(settings)
    async with exporter.working():
        yield exporter


async def shown_when(exporter, condition, seconds=60):
    """Return what is shown once `condition` is true of it."""
    async with asyncio.timeout(seconds):
        while True:
            shown = Shown((await exporter.metrics()).decode())
            if condition(shown):
                return shown
            await asyncio.sleep(0.1)


def submitted(cluster, count=1):
    customer, application = colleague("account-1"), example(CertificateType.SERVER)
    return publish(cluster, *(customer.submitted(uuid4(), application, None) for _ in range(count)))


async def committed(cluster, group, topic):
    async with kafka.reader(cluster, group) as consumer:
        places = [TopicPartition(cluster.prefix + topic, number) for number in range(12)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.commit({place: OffsetAndMetadata(end, "") for place, end in ends.items()})


@pytest.fixture(scope="module")
def prepared(parts):
    """All schemas, in a database of these tests' own: the URLs of the logins."""
    with new_database(parts, f"lag_{uuid4().hex[:12]}") as url:
        urls = schema.prepare(url, {each: database.new_password() for each in (*SERVICES, *database.LOGINS)})
        migrate(urls[database.MIGRATOR], SERVICES)
        yield {**urls, "admin": url}


@contextmanager
def without_figures(prepared, service):
    """Let a schema be an old one, without the function that the exporter calls."""
    with psycopg.connect(prepared["admin"], autocommit=True) as admin:
        admin.execute(f"alter function {service}.figures rename to figures_of_a_later_version")
        try:
            yield
        finally:
            admin.execute(f"alter function {service}.figures_of_a_later_version rename to figures")


def test_a_service_that_never_ran_owes_every_partition_of_its_topics(cluster):
    async def look():
        await submitted(cluster, 3)
        async with exporting(cluster) as exporter:
            return await shown_when(
                exporter, lambda shown: max(shown.values("servicecert_group_verdict"), default=0) == 3
            )

    shown = do(look)
    for service, topics in OWED.items():
        group = cluster.group(service)
        assert shown.value("servicecert_group_partitions", group=group) == sum(each.partitions for each in topics)
        assert shown.value("servicecert_group_assigned_partitions", group=group) == 0
        assert shown.value("kafka_consumergroup_members", group=group) == 0
        sums = shown.families["kafka_consumergroup_group_topic_sum_lag"]
        by_topic = {each.labels["topic"] for each in sums if each.labels["group"] == group}
        assert by_topic == {cluster.name(topic) for topic in topics}
    intake = {"group": cluster.group("intake")}
    assert shown.value("kafka_consumergroup_group_sum_lag", **intake) == 3
    assert 0 < shown.value("kafka_consumergroup_group_max_lag_seconds", **intake) < 60
    assert sum(shown.values("kafka_consumergroup_group_lag", **intake)) == 3
    waiting = [each for each in shown.values("servicecert_group_verdict", **intake) if each]
    assert set(waiting) == {3.0}, "stopped: no member has these partitions"
    assert shown.value("kafka_consumergroup_group_sum_lag", group=cluster.group("issuer")) == 0, "no phantom lag"


def test_what_is_handled_does_not_wait(cluster):
    async def look():
        await submitted(cluster, 3)
        await committed(cluster, cluster.group("intake"), "applications")
        await submitted(cluster, 1)
        async with exporting(cluster) as exporter:
            return await shown_when(exporter, lambda shown: shown.value("servicecert_kafka_up") == 1)

    shown = do(look)
    assert shown.value("kafka_consumergroup_group_sum_lag", group=cluster.group("intake")) == 1
    assert shown.value("kafka_consumergroup_group_max_lag", group=cluster.group("intake")) == 1
    assert sum(shown.values("kafka_partition_latest_offset", topic=f"{cluster.prefix}applications")) == 4


def test_groups_of_others_are_looked_at_if_they_are_asked_for(cluster):
    other = f"{cluster.prefix}e-service-dashboard"

    async def look():
        await submitted(cluster, 2)
        await committed(cluster, other, "applications")
        await submitted(cluster, 1)
        async with exporting(cluster, groups=f"{cluster.prefix}e-service-.*") as exporter:
            return await shown_when(exporter, lambda shown: shown.value("servicecert_kafka_up") == 1)

    shown = do(look)
    assert shown.value("kafka_consumergroup_group_sum_lag", group=other) == 1
    assert shown.value("servicecert_group_partitions", group=other) == 12


def test_the_figures_of_the_tables_are_shown_once_and_an_old_schema_hides_no_other(cluster, prepared, caplog):
    async def look():
        async with exporting(cluster, database_url=prepared[database.MONITORING]) as exporter:
            shown = await shown_when(exporter, lambda shown: shown.value("servicecert_kafka_up") and read_last(shown))
            return shown, exporter.ready()

    with without_figures(prepared, "intake"):
        shown, ready = do(look)
    assert shown.value("servicecert_outbox_events", service="issuer") == 0
    assert shown.value("servicecert_database_up", service="issuer") == 1
    assert shown.value("servicecert_database_up", service="intake") == 0
    assert shown.values("servicecert_clocks_open") == []
    assert ready == (False, "The tables of intake cannot be read.")
    assert caplog.text.count("Run `servicecert db migrate`") == 1


def test_a_lock_on_a_table_is_no_outage_and_says_who_holds_it(cluster, prepared):
    """An operator's transaction that was left open: the figures of all other tables go on."""

    async def look():
        with psycopg.connect(prepared["admin"], application_name="psql") as operator:
            operator.execute("lock table intake.events")
            async with exporting(cluster, database_url=prepared[database.MONITORING]) as exporter:
                locked = await shown_when(
                    exporter,
                    lambda shown: (
                        max(shown.values("servicecert_table_locked_seconds"), default=0) > 1
                        and shown.value("servicecert_kafka_up")
                    ),
                )
                ready = exporter.ready()
                operator.rollback()
                free = await shown_when(
                    exporter,
                    lambda shown: (
                        not shown.values("servicecert_table_locked_seconds")
                        and shown.values("servicecert_outbox_events", service="intake")
                    ),
                )
                return locked, ready, free, operator.info.backend_pid

    locked, ready, free, pid = do(look)
    assert locked.values("servicecert_database_up") == [1.0] * len(SERVICES)
    assert ready == (True, "Looking.")
    assert locked.value(
        "servicecert_table_locked_seconds", service="intake", table="events", pid=str(pid), application="psql"
    )
    assert locked.values("servicecert_outbox_events", service="intake") == []
    assert locked.values("servicecert_keys_blocked"), "intake's own figures need another table"
    assert locked.values("servicecert_outbox_events", service="issuer") == [0]
    assert locked.values("servicecert_database_read_seconds", service="intake") == [], "waiting is not slowness"
    assert free.values("servicecert_outbox_events", service="intake") == [0]


def read_last(shown):
    """Return whether the last schema was read."""
    return shown.values("servicecert_outbox_events", service=SERVICES[-1])


def test_without_kafka_no_lag_is_claimed(no_broker, cluster, prepared):
    async def look():
        gone = type(cluster)(no_broker, cluster.prefix)
        async with exporting(gone, database_url=prepared[database.MONITORING]) as exporter:
            shown = await shown_when(exporter, lambda shown: all(shown.values("servicecert_database_up")))
            return shown, exporter.ready()

    shown, ready = do(look)
    assert shown.value("servicecert_kafka_up") == 0
    assert "kafka_consumergroup_group_lag" not in shown.families
    assert ready == (False, "Kafka does not answer.")


def test_it_runs_as_a_process_and_stops_cleanly(cluster, prepared, tmp_path):
    address = tmp_path / "address"
    environment = {
        **os.environ,
        **cluster.environment,
        "DATABASE_URL": prepared[database.MONITORING],
        "SERVICECERT_HEALTH_FILE": str(address),
        "SERVICECERT_LAG_SECONDS": "0.5",
    }
    command = [sys.executable, "-m", "servicecert_cli", "lag", "--serve"]
    with subprocess.Popen(command, env=environment) as process:
        until(lambda: is_ready(address), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def is_ready(address):
    if not address.exists() or not (place := address.read_text()):
        return False
    try:
        with urlopen(f"http://{place}/ready") as answer:
            return answer.status == 200
    except HTTPError:
        return False


def test_a_pattern_that_is_none_is_one_sentence(cluster):
    done = run_process("lag", "--serve", environment={**cluster.environment, "SERVICECERT_LAG_GROUPS": "("})
    assert done.code == 78
    assert done.err.startswith('lag: SERVICECERT_LAG_GROUPS is "(": a regular expression is needed.')


@pytest.mark.parametrize("more", [["--partitions"], ["intake"], ["--json"], ["--max-seconds", "5"]])
def test_serving_goes_with_nothing_else(servicecert, more):
    assert servicecert("lag", "--serve", *more).exit_code == 2
