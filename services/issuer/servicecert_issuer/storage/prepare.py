"""Keys that are compromised: no certificate is intended with one, whatever turn it comes to (D6)."""

from collections.abc import Mapping, Sequence

from servicecert_schemas.compromise import KeyCompromised
from servicecert_worker.decider import Connection, Event, Happened, Stored

from ..domain.issuance import State
from . import QUERIES


async def prepare(
    connection: Connection, happened: Sequence[Happened], _stored: Mapping[str, Stored[State]], _known: None
) -> None:
    """Blocks the keys that this turn tells of: the service's `prepare`. The locks come in their order, after those of the turn's own keys."""
    told = (each.data for each in happened if isinstance(each, Event))
    if lost := sorted({data.key_sha256 for data in told if isinstance(data, KeyCompromised)}):
        await connection.execute(QUERIES["lock_blocked"], lost)
        await connection.execute(QUERIES["block"], lost)
