"""The issuer as a FastStream application: `faststream run --factory servicecert_issuer.app:app`."""

from collections.abc import Sequence

from faststream import FastStream
from servicecert_worker.core.record import Record
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.source import Source
from servicecert_worker.process.service import application

from . import service


def app() -> FastStream:
    return application(service, subscribe)


def subscribe(broker: Broker, source: Source) -> None:
    """Subscribe to the topics of `READS`. A turn takes what the handler passed on; it returns once there is room."""

    @broker.subscriber(*source.topics, **source.options)
    async def turn(records: Sequence[Record]) -> None:
        await source.receive(records)
