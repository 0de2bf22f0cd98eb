"""Everything is read again from the first record of each topic, which must have no effect (I2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chaos.idle import IdleCheck
from chaos.testbed import Testbed
from servicecert_cli.admin.groups import committed
from servicecert_cli.connections import kafka
from servicecert_cli.stand.system import System, service_of
from servicecert_schemas.topics import SERVICES
from servicecert_worker.kafka.cluster import Cluster


async def without_effect(testbed: Testbed) -> None:
    """Rewind all services, which are idle; assert that nothing has changed once they are idle again."""
    system = testbed.system
    before = await _state(testbed)
    workers = [name for name in system.children if service_of(name) in SERVICES]
    await stop(system, workers)
    for service in SERVICES:
        await _rewind(system.cluster, service)
    await start(system, workers)
    await IdleCheck(system, testbed.traffic).wait()
    assert await _state(testbed) == before


async def stop(system: System, names: Sequence[str]) -> None:
    """Stop workers at the same time."""
    await asyncio.gather(*(asyncio.to_thread(system.children[name].stop) for name in names))


async def start(system: System, names: Sequence[str]) -> None:
    """Start workers, and wait until they are ready."""
    await asyncio.gather(*(asyncio.to_thread(system.start, name) for name in names))
    await system.ready(*names)


async def _state(testbed: Testbed) -> object:
    """Return everything that an effect would change: the number of records, mails, CRLs, and signatures of the CAs.

    At its start an issuer also signs with throw-away keys, when it rehearses.
    """
    evidence = await testbed.evidence()
    mails = {mail_id: mail.times for mail_id, mail in testbed.mail_server.mails.items()}
    signed = [line for line in testbed.signature_log.read_text().splitlines() if line.split()[0] in evidence.ca_keys]
    assert signed
    return evidence.topics.records, mails, sorted(testbed.crls.fetched), signed


async def _rewind(cluster: Cluster, service: str) -> None:
    """Reset a service's consumer group, which must be empty, to the first record of all partitions."""
    async with kafka.admin(cluster) as admin, kafka.reader(cluster, cluster.group(service)) as consumer:
        partitions = list(await committed(admin, cluster.group(service)))
        assert partitions
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
