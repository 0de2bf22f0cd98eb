"""Each service alone: what it handles a second from a backlog, and what that costs, with both kinds of keys.

Applications are carried from stage to stage: only one service's workers run and the others' are frozen, so that each
stage has a backlog of real events, and the machine for itself.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import product
from time import perf_counter

from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.stand.system import OCSP, System, service_of
from servicecert_schemas import topics
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import Record, decode
from servicecert_schemas.customer import record_of
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.topics import Topic

from bench import load, raw
from bench.results import keep
from bench.stand import Measured, cpu_seconds, cpu_times, frozen, grow, idle, measured_system, print_cpu_times, scaled

STAGES = {
    "intake": topics.ACCEPTED_APPLICATIONS,
    "issuer": topics.CERTIFICATES,
    "notifier": topics.NOTIFICATIONS,
    "revoker": topics.CERTIFICATE_STANDINGS,
}
"""The services in the order of an application's way, each with the topic that it publishes to."""

PATIENT = {"SERVICECERT_SESSION_SECONDS": "60", "SERVICECERT_STALL_SECONDS": "600"}
"""With these a frozen worker neither leaves its group nor is ended."""

REVOCATIONS = "revocations"
COUNT, WARM_UP = 4_000, 800

VARIANTS = {"": (False, "shape"), "-softhsm": (True, "shape"), "-lint-every": (False, "every")}
"""Variants of the issuer: whether its keys are in a token, and which certificates pkilint checks."""


async def measure(share: float) -> None:
    """Measure intake, and each variant of the issuer, with one and with two workers."""
    csrs = {family: load.requests(family) for family in raw.CA_KEYS}
    signing = {family: raw.signing(family) for family in raw.CA_KEYS}
    for variant, (token, lint) in VARIANTS.items():
        async with measured_system(token=token, environment={**PATIENT, "SERVICECERT_LINT": lint}) as system:
            for workers, (family, key) in product((1, 2), raw.CA_KEYS.items()):
                await grow(system, workers)
                for count in (WARM_UP, COUNT):
                    records = load.records(scaled(count, share), csrs[family])
                    found = await carried(system, records, ("intake", "issuer"))
                against, reference = f"raw {key} signing", signing[family]
                if token:
                    against += " in SoftHSM"
                    reference = await asyncio.to_thread(raw.signing_in_token, system.environment("issuer"), family)
                rate, costs = found["issuer"]
                keep(f"issuer-{key}{variant}-{workers}", rate, "per second", against, reference)
                print_cpu_times(costs, "a certificate")
                if not variant:
                    rate, _ = found["intake"]
                    checking = await asyncio.to_thread(raw.checking, csrs[family])
                    keep(f"intake-{family}-{workers}", rate, "per second", "raw checks of a request", checking)


async def carried(
    system: System, applications: Sequence[Record], stages: Iterable[str] = (*STAGES, REVOCATIONS)
) -> dict[str, Measured]:
    """Carry applications through these stages, each alone, and revoke the certificates; handle the rest together."""
    found: dict[str, Measured] = {}
    # The OCSP responder runs: the revoker asks it before it announces a revocation.
    with frozen(child for name, child in system.children.items() if name != OCSP):
        async with kafka.producer(system.cluster) as producer:
            await send(producer, system.cluster, applications)
            for stage in stages:
                service, output = stage, STAGES.get(stage, topics.CERTIFICATE_STATUS)
                if stage == REVOCATIONS:
                    service = "revoker"
                    await send(
                        producer, system.cluster, await _revocations(system, {each.key for each in applications})
                    )
                found[stage] = await _alone(system, service, output, len(applications))
    await idle(system)
    return found


async def _alone(system: System, service: str, output: Topic, count: int) -> Measured:
    """Thaw a service's workers until they have handled all that is in their topics."""
    own = [child for name, child in system.children.items() if service_of(name) == service]
    async with load.watching(system.cluster, output) as watch:
        used, started = cpu_seconds(system), perf_counter()
        for child in own:
            child.thaw()
        await watch.until(count)
        await idle(system, [service])
        for child in own:
            child.freeze()
        return count / (watch.latest_at - started), cpu_times(used, cpu_seconds(system), count)


async def _revocations(system: System, cases: set[bytes]) -> list[Record]:
    requests = []
    async for record in kafka.records(system.cluster, topics.CERTIFICATES):
        if record.key in cases:
            envelope, issued = decode(topics.CERTIFICATES.name, record.key, record.headers, record.value)
            assert isinstance(issued, CertificateIssued)
            request = load.CUSTOMER.revocation(issued.case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED)
            requests.append(record_of(request, time=envelope.time))
    return requests
