"""Whoever has the broker cannot make a responder forget: neither a revocation, nor that there is more to know (D8)."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from servicecert_cli.connections.kafka import publish
from servicecert_launcher.ports import free_port
from servicecert_revoker.ocsp.domain.standings import GRACE
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import StandingsCounted
from servicecert_schemas.topics import CERTIFICATE_STANDINGS
from servicecert_worker.core.clock import steady_clock
from servicecert_worker.kafka.cluster import Cluster
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, revoked, said
from services.revoker.ocsp_whole import Asker, Revoker, Whole, answering, settings, until

TRY_LATER = "The responder answers TRY_LATER."


class Place:
    """A responder that may be started again, and what relying parties and its metrics say."""

    def __init__(self, revoker: Revoker) -> None:
        self.revoker = revoker
        self.ahead = timedelta()
        self._port = free_port()
        self._whole: Whole | None = None
        self._asker = Asker(revoker.authority, self._port)

    @asynccontextmanager
    async def responder(self) -> AsyncIterator[Whole]:
        made = settings(self.revoker.cluster, self._port, self.revoker.url)
        self._whole = Whole(made, lambda: datetime.now(UTC) + self.ahead)
        self._whole.responder._guard.steady = lambda: steady_clock() + self.ahead.total_seconds()
        async with answering(self._whole):
            yield self._whole

    async def publish(self, *events: EventData) -> None:
        await publish(self.revoker.cluster, *events, signer=self.revoker.identities.signer("revoker"))

    async def say(self, **expected: str) -> None:
        """Wait until these serial numbers are answered so, by their names in `ocsp_stand`."""
        serials = {"good": GOOD, "revoked": REVOKED, "never": NEVER_ISSUED}

        async def said_so() -> bool:
            return {name: await self._asker.says(serials[name]) for name in expected} == expected

        await until(said_so)

    async def lacks(self, *reasons: str, issuer: str = "test-ec") -> None:
        """Wait until this is what is missing of a CA's standings, as the metrics say."""

        async def shown() -> bool:
            assert self._whole is not None
            lines = (await self._whole.responder.metrics()).decode().splitlines()
            prefix = f'servicecert_ocsp_incomplete{{issuer="{issuer}",reason="'
            values = dict(line.removeprefix(prefix).split('"} ') for line in lines if line.startswith(prefix))
            return values != {} and {reason for reason, value in values.items() if value == "1.0"} == set(reasons)

        await until(shown)


@pytest.fixture
def place(revoker: Revoker) -> Place:
    return Place(revoker)


async def records(cluster: Cluster) -> list[ConsumerRecord]:
    """Return all records of the topic, in the order of their offsets."""
    topic = cluster.name(CERTIFICATE_STANDINGS)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[ConsumerRecord] = []
        while len(found) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += batch
        return sorted(found, key=lambda record: record.offset)
    finally:
        await consumer.stop()


async def forget(cluster: Cluster, kept: Callable[[ConsumerRecord], bool]) -> None:
    """Copy what is `kept` to the end, with its genuine signature, and delete all that came before."""
    before = await records(cluster)
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap)
    await producer.start()
    for record in filter(kept, before):
        place = {"partition": record.partition, "headers": list(record.headers)}
        await producer.send_and_wait(record.topic, record.value, record.key, **place)
    await producer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    await admin.start()
    ends: dict[TopicPartition, int] = {}
    for record in before:
        ends[TopicPartition(record.topic, record.partition)] = record.offset + 1
    await admin.delete_records({each: RecordsToDelete(before_offset=end) for each, end in ends.items()})
    await admin.close()


def is_valid(record: ConsumerRecord) -> bool:
    return b'"standing":"valid"' in (record.value or b"").replace(b" ", b"")


async def test_D8_an_old_valid_that_is_copied_to_the_end_makes_no_revoked_certificate_good(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await place.publish(said(GOOD), said(REVOKED), revoked(REVOKED, datetime.now(UTC)))
    place.revoker.publish_crl(REVOKED)
    async with place.responder():
        await place.say(good="not revoked", revoked="revoked", never="not revoked")
        await place.lacks()
    await forget(place.revoker.cluster, is_valid)
    async with place.responder():
        await place.say(revoked="revoked", good=TRY_LATER, never=TRY_LATER)
        await place.lacks("different")
        place.ahead = timedelta(minutes=2)
        with caplog.at_level(logging.ERROR):
            await until(lambda: alarmed(caplog))
        (alarm,) = [each for each in caplog.records if each.getMessage().startswith("alarm: not all standings")]
        assert vars(alarm)["lacks"] == ["different"]
        assert vars(alarm)["serials"] == [f"{REVOKED:04x}"]
        place.ahead = timedelta()
        # The revoker publishes again what the topic lacks.
        await place.publish(revoked(REVOKED, datetime.now(UTC)))
        await place.say(good="not revoked", revoked="revoked", never="not revoked")
        await place.lacks()


async def alarmed(caplog: pytest.LogCaptureFixture) -> bool:
    return "alarm: not all standings of a CA are known" in caplog.messages


@pytest.mark.parametrize("withheld", [GOOD, REVOKED], ids=["valid", "revoked"])
async def test_D8_a_responder_that_starts_with_less_than_the_revoker_counts_says_try_later(
    place: Place, withheld: int
) -> None:
    """Not even the CRL tells: it lists nothing any more, since the certificates have expired."""
    await place.publish(said(GOOD), said(REVOKED), revoked(REVOKED, datetime.now(UTC)))
    place.revoker.counted(GOOD, REVOKED, REVOKED)
    async with place.responder():
        await place.say(good="not revoked", revoked="revoked", never="not revoked")
    name = f'"serial":"{withheld:04x}"'.encode()
    await forget(
        place.revoker.cluster,
        lambda record: is_valid(record) if withheld == REVOKED else name not in record.value.replace(b" ", b""),
    )
    async with place.responder():
        await place.say(good=TRY_LATER, never=TRY_LATER, revoked=TRY_LATER if withheld == REVOKED else "revoked")
        await place.lacks("fewer")


async def test_D8_a_topic_that_is_withheld_altogether_makes_nothing_unknown(place: Place) -> None:
    place.revoker.counted(GOOD)
    async with place.responder():
        await place.lacks("fewer")
        await place.say(good=TRY_LATER, never=TRY_LATER)


async def test_D8_what_is_withheld_from_a_running_responder_is_noticed_and_its_grace_ends(place: Place) -> None:
    await place.publish(said(GOOD), said(REVOKED))
    async with place.responder():
        await place.say(good="not revoked", revoked="not revoked")
        count = place.revoker.counted(GOOD, REVOKED, NEVER_ISSUED, crl_number=1)
        await place.publish(StandingsCounted(issuer="test-ec", count=count))
        await place.lacks("fewer")
        await place.say(good="not revoked", never="not revoked")
        place.ahead = GRACE
        await place.say(good=TRY_LATER, never=TRY_LATER)
        place.ahead = timedelta()
        await place.publish(said(NEVER_ISSUED))
        await place.say(good="not revoked", never="not revoked")


async def test_D8_the_crl_and_the_topic_may_be_ahead_of_each_other(place: Place) -> None:
    await place.publish(said(GOOD), said(REVOKED))
    async with place.responder() as whole:
        await place.say(good="not revoked", revoked="not revoked")
        await place.publish(revoked(GOOD, datetime.now(UTC)))
        await place.say(good="revoked", revoked="not revoked")
        await place.lacks()
        place.revoker.publish_crl(GOOD, REVOKED, number=2)
        fetch_again(whole)
        await place.say(good="revoked", revoked="revoked", never="not revoked")
        await place.lacks("different")
        await place.publish(revoked(REVOKED, datetime.now(UTC)))
        await place.lacks()


def fetch_again(whole: Whole) -> None:
    for fetched in whole.responder._crls._of.values():
        fetched.looked_at = 0.0


async def test_D8_a_crl_that_is_not_renewed_ends_good_but_no_revocation(place: Place) -> None:
    await place.publish(said(GOOD), said(REVOKED), revoked(REVOKED, datetime.now(UTC)))
    place.revoker.publish_crl(REVOKED, life=timedelta(hours=2))
    async with place.responder() as whole:
        await place.say(good="not revoked", revoked="revoked")
        place.ahead = timedelta(hours=2)
        await place.say(good=TRY_LATER, never=TRY_LATER)
        await place.lacks("no-crl")
        place.revoker.publish_crl(REVOKED, number=2)
        fetch_again(whole)
        await place.lacks()


async def test_D8_an_older_crl_than_the_revoker_published_is_not_enough(place: Place) -> None:
    for other in place.revoker.authority.issuers.keys() - {"test-ec"}:
        (place.revoker.folder / f"{other}.crl").unlink()
    await place.publish(said(GOOD))
    place.revoker.counted(GOOD, crl_number=2)
    async with place.responder() as whole:
        await place.lacks("old-crl")
        await place.say(good=TRY_LATER)
        assert whole.responder.ready() == (
            True,
            "Answering, but not all standings of any CA are known: see the alert OcspIncomplete",
        )
        place.revoker.publish_crl(number=2)
        fetch_again(whole)
        await place.say(good="not revoked")
        await place.lacks()


async def test_D8_one_ca_s_missing_crl_silences_no_other_ca(place: Place) -> None:
    (place.revoker.folder / "test-rsa.crl").unlink()
    await place.publish(said(GOOD), said(GOOD, issuer="test-rsa"))
    other = Asker(place.revoker.authority, place._port, "test-rsa")
    async with place.responder():
        await place.say(good="not revoked")
        await place.lacks("no-crl", issuer="test-rsa")
        assert await other.says(GOOD) == TRY_LATER
        place.revoker.publish_crl(issuer="test-rsa")
        await until(lambda: other.all_say(GOOD, "not revoked"))
