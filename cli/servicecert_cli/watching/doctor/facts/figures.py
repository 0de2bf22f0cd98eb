"""The figures that the exporter shows, read as it reads them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import figures

from ....admin import lag
from ...conditions import CONDITIONS
from ...lag.metrics import Groups, Tables
from ...lag.metrics import figures as of_services
from ..domain.figures import check_figure, metric
from ..sources import Look, Sources, elsewhere, shared
from .database import readable
from .kafka import look


@shared
async def of_tables(sources: Sources) -> list[Sample]:
    """Return the figures of the services' tables. Raises Stopped where they are not prepared, locked or not ours."""
    tables, now = Tables(), datetime.now(UTC)
    for service in SERVICES:
        async with readable(sources, service) as pool:
            samples, seconds = await figures.read(pool, service, now)
        if seconds is None:
            raise elsewhere("TableLocked")
        tables.take(service, samples, seconds)
    return list(_samples(tables, ""))


@shared
async def of_groups(sources: Sources) -> list[Sample]:
    """Return the figures of the services' groups, and of the brokers. Raises Stopped where no topic exists."""
    return list(_samples(_shown(await look(sources)), (await sources.kafka()).cluster.prefix))


def _shown(seen: lag.Look) -> Groups:
    shown = Groups("", 2)
    shown.take(seen, 0.0)
    return shown


def _samples(collector: Collector, prefix: str) -> Iterator[Sample]:
    for each in (sample for family in collector.collect() for sample in family.samples):
        service = each.labels.get("group", "").removeprefix(prefix)
        # As the recording rules name the service of a group.
        yield each._replace(labels={"service": service, "job": service, **each.labels})


_OF_TABLES = {each.name for each in of_services()}
_OF_GROUPS = {each.name for each in _shown(lag.Look((), 0, {}, {}, frozenset())).collect()}

LOOKS = {
    name: Look(of_tables if metric(condition) in _OF_TABLES else of_groups, partial(check_figure, condition))
    for name, condition in CONDITIONS.items()
    if condition.why and metric(condition) in _OF_TABLES | _OF_GROUPS
}
