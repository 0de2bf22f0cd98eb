"""The spans of an application's and of a revocation's trace, as a collector gets them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from journeys.client import PATIENCE_SECONDS, CustomerClient
from otlp_collector import Collector, Received
from servicecert_cli.connections import kafka
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_worker.core import traces

MAILED = ["notifier: mail", "notifier: mail result", "notifier: send notifications"]
SIGNED = [
    "intake: process applications",
    "issuer: process accepted-applications",
    "issuer: sign",
    "issuer: sign result",
]
APPLICATION = [
    ["intake: process applications", "intake: send accepted-applications"],
    [*SIGNED, "issuer: send certificates"],
    [*SIGNED, "notifier: process certificates", *MAILED],
    [
        *SIGNED,
        "notifier: process certificates",
        "notifier: mail",
        "notifier: mail result",
        "intake: process notifications",
    ],
    [*SIGNED, "revoker: process certificates", "revoker: send certificate-standings"],
    [*SIGNED, "intake: process certificates"],
]
PUBLISHED = ["revoker: process revocations", "revoker: publish"]
CONFIRMED = [*PUBLISHED, "revoker: publish result", "revoker: confirm", "revoker: confirm result"]
STEPS = ["wait for the CA's pass", "build", "write", "fetch back"]
REVOCATION = [
    *([*PUBLISHED, f"revoker: {step}"] for step in STEPS),
    [*CONFIRMED, "revoker: send certificate-status"],
    [*CONFIRMED, "notifier: process certificate-status", *MAILED],
    [*CONFIRMED, "intake: process certificate-status"],
]


async def send(
    client: CustomerClient, data: EventData, traceparent: str | None = None, value: bytes | None = None
) -> None:
    """Publish an event as an e-service does that gives it a trace; with a `value`, one that is not as it must be."""
    record = to_record(data, source="/e-service", id=uuid4(), time=datetime.now(UTC), traceparent=traceparent)
    async with kafka.producer(cluster := client.system.cluster_of(Principal.E_SERVICE)) as producer:
        await kafka.send(producer, cluster, [record if value is None else replace(record, value=value)])


async def arrived(
    client: CustomerClient, collector: Collector, trace: str, expected: Sequence[list[str]]
) -> list[Received]:
    """Return a trace's spans, once all that are expected have arrived."""
    await until(lambda: all(path in paths(client, collector.trace(trace)) for path in expected))
    return collector.trace(trace)


async def until(arrived: Callable[[], bool]) -> None:
    """Wait until what is exported has arrived."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not arrived():  # noqa: ASYNC110  -- the collector is a thread
            await asyncio.sleep(0.05)


def paths(client: CustomerClient, spans: Sequence[Received]) -> list[list[str]]:
    """Return for each span the names from the root down to it, unless one of those has not arrived yet."""
    by_id = {span.id: span for span in spans}

    def path(span: Received) -> list[str] | None:
        name = f"{span.service}: {span.name.replace(client.system.cluster.prefix, '')}"
        if not span.parent:
            return [name]
        above = path(by_id[span.parent]) if span.parent in by_id else None
        return None if above is None else [*above, name]

    return [found for span in spans if (found := path(span)) is not None]


def trace_of(name: str) -> str:
    return traces.trace_of(traces.root(name, sampled=True))
