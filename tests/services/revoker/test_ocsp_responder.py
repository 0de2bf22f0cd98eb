"""Whole responders on a real broker: certified, caught up, several at one port, with and without Kafka (D8, I7)."""

import asyncio
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from identities import Identities
from listening import talking
from servicecert_cli.connections.kafka import publish
from servicecert_launcher import Child
from servicecert_launcher.ports import free_port
from servicecert_pki.authority import Authority
from servicecert_schemas.topics import CERTIFICATE_STANDINGS
from servicecert_worker.core.clock import steady_clock
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, revoked, said
from services.revoker.ocsp_whole import WAIT_SECONDS, Asker, Revoker, Whole, answering, settings, until


async def test_D8_F2_I7_responders_without_state_say_what_the_revoker_says(
    ocsp_cluster: Cluster, identities: Identities, revoker: Revoker, authority: Authority, tmp_path: Path
) -> None:
    signer = identities.signer("revoker")
    # F2: whoever may write to the topic, without the revoker's key.
    await publish(ocsp_cluster, revoked(GOOD, datetime.now(UTC)), said(NEVER_ISSUED))
    await publish(ocsp_cluster, revoked(GOOD, datetime.now(UTC)), signer=identities.signer("intake"))
    await publish(ocsp_cluster, said(GOOD), said(REVOKED), revoked(REVOKED, datetime.now(UTC)), signer=signer)
    port = free_port()
    first, second = (
        Whole(settings(ocsp_cluster, port, revoker.url, health_file=tmp_path / name)) for name in ("first", "second")
    )
    asker = Asker(authority, port)
    async with answering(first, second):
        await until(lambda: asker.all_say(REVOKED, "revoked"))
        await until(lambda: asker.all_say(GOOD, "not revoked"))
        assert await asker.says(NEVER_ISSUED) == "not revoked"
        topic = CERTIFICATE_STANDINGS.name
        assert first.responder._feed.skipped == {(topic, "unsigned"): 2, (topic, "wrong-signature"): 1}
        await publish(ocsp_cluster, revoked(GOOD, datetime.now(UTC)), said(GOOD), signer=signer)
        await until(lambda: asker.all_say(GOOD, "revoked"))
        async with aiohttp.ClientSession() as session:
            for name in ("first", "second"):
                address = (tmp_path / name).read_text()
                async with session.get(f"http://{address}/ready") as response:
                    assert (response.status, await response.text()) == (200, "Answering.\n")
                async with session.get(f"http://{address}/metrics") as response:
                    shown = await response.text()
                assert "servicecert_ocsp_certificates 2.0" in shown
                (left,) = re.findall(r'_certificate_left_seconds{issuer="production-rsa"} (.*)', shown)
                assert 3.99 < float(left) / 86_400 < 4
                assert "servicecert_followed_offset{" in shown
                assert 'servicecert_ready{service="ocsp"} 1.0' in shown


async def test_D8_nothing_is_answered_before_a_ca_has_certified_the_key(
    ocsp_cluster: Cluster, authority: Authority, tmp_path: Path
) -> None:
    port = free_port()
    alone = Whole(settings(ocsp_cluster, port, health_file=tmp_path / "alone"))
    asker = Asker(authority, port)
    async with answering(alone), aiohttp.ClientSession() as session:
        await until(lambda: asker.all_say(GOOD, "The responder answers TRY_LATER."))

        async def waits_for_the_revoker() -> bool:
            async with session.get(f"http://{(tmp_path / 'alone').read_text()}/ready") as response:
                return response.status == 503 and "revoker" in await response.text()

        await until(waits_for_the_revoker)


async def test_D8_a_topic_made_anew_stops_a_responder_with_one_sentence(
    ocsp_cluster: Cluster, identities: Identities, revoker: Revoker, authority: Authority
) -> None:
    await publish(ocsp_cluster, *(said(serial) for serial in range(1, 200)), signer=identities.signer("revoker"))
    port = free_port()
    responder = Whole(settings(ocsp_cluster, port, revoker.url))
    asker = Asker(authority, port)
    async with answering(responder) as (running,):
        await until(lambda: asker.all_say(GOOD, "not revoked"))
        admin = AIOKafkaAdminClient(bootstrap_servers=ocsp_cluster.bootstrap)
        await admin.start()
        await admin.delete_topics([ocsp_cluster.name(CERTIFICATE_STANDINGS)])
        await admin.close()
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.wait([running])
        fault = running.exception()
        assert isinstance(fault, BaseExceptionGroup)
        ours, others = fault.split(OperatorError)
        assert others is None
        assert "certificate-standings" in repr(ours)


async def test_D8_a_responder_that_is_cut_off_says_so_when_its_knowledge_ends(
    ocsp_cluster: Cluster, revoker: Revoker
) -> None:
    ahead = timedelta()
    whole = Whole(settings(ocsp_cluster, free_port(), revoker.url), lambda: datetime.now(UTC) + ahead)
    whole.responder._guard.steady = lambda: steady_clock() + ahead.total_seconds()
    async with answering(whole):

        async def ready() -> bool:
            return whole.responder.ready()[0]

        async def nothing(_: datetime) -> None:
            pass

        await until(ready)
        whole.responder._feed._reached = nothing
        ahead = timedelta(hours=4)
        assert whole.responder.ready() == (
            False,
            "Kafka has been unavailable for so long that all answers are outdated.",
        )


@pytest.mark.parametrize("off", [timedelta(days=1), timedelta(days=-1)], ids=["ahead", "behind"])
@pytest.mark.parametrize("at_start", [True, False], ids=["at its start", "later"])
async def test_F6_D8_a_responder_whose_clock_differs_from_the_revokers_signs_nothing_until_they_agree(
    authority: Authority,
    ocsp_cluster: Cluster,
    identities: Identities,
    revoker: Revoker,
    off: timedelta,
    at_start: bool,
) -> None:
    await publish(ocsp_cluster, said(GOOD), signer=identities.signer("revoker"))
    port, ahead = free_port(), off if at_start else timedelta()
    whole = Whole(settings(ocsp_cluster, port, revoker.url), lambda: datetime.now(UTC) + ahead)
    asker = Asker(authority, port)
    async with answering(whole):

        async def wrong() -> bool:
            return "differs from the revoker's by" in whole.responder.ready()[1]

        if not at_start:
            await until(lambda: asker.all_say(GOOD, "not revoked"))
            ahead = off
        await until(wrong)
        before = whole.responder._answering.signed
        assert await asker.says(GOOD) == "The responder answers TRY_LATER."
        assert whole.responder._answering.signed == before
        assert b'servicecert_clock_wrong{service="ocsp"} 1.0' in await whole.responder.metrics()
        ahead = timedelta()
        await until(lambda: asker.all_say(GOOD, "not revoked"))


async def test_F6_D8_a_responder_whose_machine_was_suspended_is_right_again_by_itself(
    authority: Authority,
    ocsp_cluster: Cluster,
    identities: Identities,
    revoker: Revoker,
) -> None:
    """All clocks have gone on but the steady one."""
    await publish(ocsp_cluster, said(GOOD), signer=identities.signer("revoker"))
    port, suspended = free_port(), 0.0
    whole = Whole(settings(ocsp_cluster, port, revoker.url))
    for each in whole.responder._enrolment._of.values():
        each.doubtful_after = timedelta()
    whole.responder._guard.steady = lambda: steady_clock() - suspended
    asker = Asker(authority, port)
    async with answering(whole):
        await until(lambda: asker.all_say(GOOD, "not revoked"))
        suspended = 90.0
        assert whole.responder.ready() == (
            False,
            "The machine's clock differs from the revoker's by +90 s: correct the wrong one.",
        )
        await until(lambda: asker.all_say(GOOD, "not revoked"))


async def test_f5_a_responder_that_cannot_read_a_partition_says_so_and_answers_until_its_knowledge_ends(
    ocsp_cluster: Cluster, revoker: Revoker
) -> None:
    """Clients of responders that were all taken away would believe in every certificate."""
    ahead = timedelta()
    whole = Whole(settings(ocsp_cluster, free_port(), revoker.url), lambda: datetime.now(UTC) + ahead)
    whole.responder._guard.steady = lambda: steady_clock() + ahead.total_seconds()
    said = "certificate-standings, partition 3, cannot be read at offset 7: see the alert PartitionStalled"

    def stalls() -> None:
        for _ in range(3):
            whole.responder._feed.standstill.reopened({("certificate-standings", 3): 7})

    stalls()
    assert whole.responder.ready() == (False, said)
    async with answering(whole):

        async def ready() -> bool:
            return whole.responder.ready()[0]

        await until(ready)
        stalls()
        assert whole.responder.ready() == (True, f"Answering, but {said}")
        assert b'servicecert_stalled_offset{partition="3",service="ocsp"' in await whole.responder.metrics()
        ahead = timedelta(hours=4)
        assert whole.responder.ready() == (False, said)


async def test_a_missing_topic_is_one_sentence(ocsp_cluster: Cluster) -> None:
    whole = Whole(settings(Cluster(ocsp_cluster.bootstrap, "nowhere-"), 0))
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(BaseExceptionGroup) as ended:
            await whole.run()
    assert ended.group_contains(OperatorError, match="servicecert topics create")


async def test_a_port_that_is_taken_is_one_sentence(ocsp_cluster: Cluster) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(BaseExceptionGroup) as ended:
            await Whole(settings(ocsp_cluster, 1).model_copy(update={"ocsp_host": "192.0.2.1"})).run()
    assert ended.group_contains(OperatorError, match="SERVICECERT_OCSP_HOST")


async def test_a_responder_that_waits_for_the_broker_ends_in_order_when_it_is_told_to(tmp_path, identities):
    asked = asyncio.Event()

    async def says_nothing(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    async with talking(says_nothing) as port:
        bootstrap = f"127.0.0.1:{port}"
        command = [sys.executable, "-m", "servicecert_cli", "ocsp"]
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "SERVICECERT_SERVICE_KEYS": str(identities.folder),
            "SERVICECERT_OCSP_CRL_URL": "http://127.0.0.1:1",
        }
        responder = Child(command, log=tmp_path / "ocsp.log", environment=environment)
        async with asyncio.timeout(60):
            await asked.wait()
        assert await asyncio.to_thread(responder.stop, 60) == 0
