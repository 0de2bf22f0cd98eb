"""Block compromised keys, so that no turn intends a certificate with one (D6)."""

from collections.abc import Mapping, Sequence

from servicecert_schemas.revocation import KeyCompromised
from servicecert_worker.core.decider import Connection, Event, Happened, Stored

from ..domain.issuance import State
from . import QUERIES


async def prepare(
    connection: Connection, happened: Sequence[Happened], _stored: Mapping[str, Stored[State]], _known: None
) -> None:
    """Block the keys that this turn's events report. Locks are taken in order, after those of the turn's own keys."""
    reports = (each.data for each in happened if isinstance(each, Event))
    if keys := sorted({data.key_sha256 for data in reports if isinstance(data, KeyCompromised)}):
        await connection.execute(QUERIES["lock_blocked"], keys)
        await connection.execute(QUERIES["block"], keys)
