"""The figures of a service's tables, as the exporter reads them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
from databases import administrator_of
from servicecert_worker.storage import figures


async def figures_of(pool: "asyncpg.Pool[Any]", moment: datetime) -> dict[str, Mapping[Any, float]]:
    """Return the figures of a pool's schema by metric and label; the label `service` is left out."""
    service = await pool.fetchval("select current_schema()")
    connection = await asyncpg.connect(await administrator_of(pool))
    try:
        samples, _ = await figures.read(connection, service, moment)
    finally:
        await connection.close()
    return {name: {_label(labels, service): value for labels, value in of.items()} for name, of in samples.items()}


def _label(labels: tuple[str, ...], service: str) -> str:
    own = labels[1:] if labels[:1] == (service,) else labels
    return own[0] if own else ""


async def figure(pool: "asyncpg.Pool[Any]", moment: datetime, name: str) -> Mapping[Any, float]:
    """Return one of the figures; empty where it has no sample."""
    return (await figures_of(pool, moment)).get(f"servicecert_{name}", {})
