"""I2 and I12: how the same events are cut into turns, and how often they come, has no effect; I5: nor in which order topics are heard; B6: the audit tells all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from chaos.customers import Customers
from chaos.plan import Way, draw
from chaos.quiet import Quiet
from chaos.scene import Scene, opened
from chaos.telling import findings
from chaos.topics_told import TopicsTold, read_topics
from journeys.conftest import Played
from servicecert_cli.connections import kafka
from servicecert_cli.operations import auditing
from servicecert_cli.stand.system import service_of
from servicecert_deploy import Parts
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.checkpoints import read_public_keys
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.lag import committed

pytestmark = pytest.mark.asyncio(loop_scope="module")


def essence(told: TopicsTold) -> dict[UUID, tuple[object, ...]]:
    """What a case came to, without what is drawn or read from a clock."""
    return {
        case_id: (each.end, len(each.versions), each.deliveries, len(each.issued), len(each.revoked))
        for case_id, each in told.cases.items()
    }


async def test_I3_I6_I7_I8_I9_I11_I12_two_workers_that_cut_differently_make_what_was_planned(played: Played) -> None:
    assert not list(findings(played.verdict))


async def test_I12_one_worker_that_takes_large_turns_makes_the_same(
    played: Played, parts: Parts, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    async with opened(
        tmp_path, parts, authority=authority, known=known_customers, environment={"SERVICECERT_BATCH": "500"}
    ) as scene:
        assert not list(findings(await scene.play(played.plan)))
        whole = essence(await read_topics(scene.system.cluster))
    first = essence(await read_topics(played.scene.system.cluster))
    assert whole == {case_id: first[case_id] for case_id in whole}
    assert set(whole) == {case.case_id for case in played.plan.cases}


async def test_I2_a_replay_of_everything_from_the_first_record_has_no_effect(played: Played) -> None:
    system = played.scene.system
    before = await _state(played.scene)
    workers = [name for name in system.children if service_of(name) in SERVICES]
    await _stop(played.scene, workers)
    for service in SERVICES:
        await _rewind(system.cluster, service)
    await _started(played.scene, workers)
    await Quiet(system, played.scene.traffic).wait()
    assert await _state(played.scene) == before


async def _state(scene: Scene) -> object:
    """All that an effect would show in: how many records there are, how often each mail came, which CRLs, which signatures of the CAs.

    At its start an issuer also signs with keys of no worth, to see that what it would issue is sound.
    """
    evidence = await scene.evidence()
    mails = {mail_id: mail.times for mail_id, mail in scene.mail_server.mails.items()}
    signed = [line for line in scene.signature_log.read_text().splitlines() if line.split()[0] in evidence.ca_keys]
    assert signed
    return evidence.topics.records, mails, sorted(scene.crls.fetched), signed


async def _rewind(cluster: Cluster, service: str) -> None:
    """Puts a service's group, which must be empty, back to the first record of all that it ever read."""
    async with kafka.admin(cluster) as admin, kafka.reader(cluster, cluster.group(service)) as consumer:
        partitions = list(await committed(admin, cluster.group(service)))
        assert partitions
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))


@pytest.mark.parametrize("away", ["intake", "revoker", "notifier"])
async def test_I5_a_service_that_was_away_hears_all_topics_at_once_and_comes_to_the_same(
    played: Played, away: str
) -> None:
    """Intake leaves when the first certificates are issued, so that mails and revocations go on without it; the others before."""
    scene, workers = played.scene, [away, f"{away}-2"]
    plan = draw(sum(map(ord, away)), 12, [], blows=0, ways=(Way.STRAIGHT, Way.REVOKED, Way.SUPPLEMENTED))
    certified = len(scene.traffic.issued)
    if away != "intake":
        await _stop(scene, workers)
    await scene.traffic.send(plan.bursts[0])
    await scene.traffic.until_issued(certified + (1 if away == "intake" else 12))
    await _stop(scene, workers)
    await _started(scene, workers)
    assert not list(findings(await played.judged(plan)))


async def _stop(scene: Scene, names: list[str]) -> None:
    await asyncio.gather(*(asyncio.to_thread(scene.system.children[name].stop) for name in names))


async def _started(scene: Scene, names: list[str]) -> None:
    await asyncio.gather(*(asyncio.to_thread(scene.system.start, name) for name in names))
    await scene.system.ready(*names)


async def test_B6_the_chains_of_all_services_verify_and_tell_each_certificate_s_life(played: Played) -> None:
    system = played.scene.system
    exported = await auditing.exported(system.cluster)
    verified = await auditing.verified(
        system.place.admin_url,
        SERVICES,
        read_public_keys(system.audit_folder),
        exported,
        lambda *_: None,
        system.cluster,
    )
    assert {service: it.findings for service, it in verified.items()} == {service: [] for service in SERVICES}
    assert all(it.chains >= 2 and it.rows > it.chains for it in verified.values())
    evidence = (await played.scene.evidence()).topics
    case, told = next((case, told) for case, told in evidence.cases.items() if told.issued)
    (certificate,) = told.issued.values()
    rows = await auditing.life(system.place.admin_url, certificate.serial)
    assert rows == await auditing.life(system.place.admin_url, str(case))
    lines = [f"{row.service} {text}" for row in rows for text, _ in auditing.told(row)]
    wanted = ["intake publishes application.accepted", "issuer intends sign", "issuer result of sign"]
    wanted += ["issuer publishes certificate.issued", "notifier intends mail", "notifier publishes mail.handed-over"]
    place = 0
    for line in wanted:
        assert line in lines[place:]
        place = lines.index(line, place) + 1
    assert certificate.serial in json.dumps([row.entry for row in rows])


async def test_B6_every_issued_certificate_has_a_row_and_every_row_a_certificate(played: Played) -> None:
    connection = await asyncpg.connect(played.scene.system.place.admin_url)
    try:
        rows = await connection.fetch("select entry from issuer.audit where key <> ''")
        issued = await connection.fetch("select issuer, serial from issuer.certificates where certificate is not null")
    finally:
        connection.terminate()
    events = [event for row in rows for event in json.loads(row["entry"]).get("events", ())]
    told = [(e["facts"]["issuer"], e["facts"]["serial"]) for e in events if "certificate.issued" in e["type"]]
    assert sorted(told) == sorted((row["issuer"], row["serial"]) for row in issued)
