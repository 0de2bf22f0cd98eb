"""Keys that are compromised: no certificate is intended with one, whatever turn it comes to (D6)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from servicecert_schemas.compromise import KeyCompromised
from servicecert_worker.decider import Connection, Event, Happened, Stored

from .issuance import State

_SQL = Path(__file__).parent / "sql"
_LOCK = (_SQL / "lock_blocked.sql").read_text()
_BLOCK = (_SQL / "block.sql").read_text()


async def block(
    connection: Connection, happened: Sequence[Happened], _stored: Mapping[str, Stored[State]], _known: None
) -> None:
    """Blocks the keys that this turn tells of: the service's `recall`. The locks come in their order, after those of the turn's own keys."""
    told = (each.data for each in happened if isinstance(each, Event))
    if lost := sorted({data.key_sha256 for data in told if isinstance(data, KeyCompromised)}):
        await connection.execute(_LOCK, lost)
        await connection.execute(_BLOCK, lost)
