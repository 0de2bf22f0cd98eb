"""What a broker knows of us: the identities that it tells apart, how much each may write, the settings of topics."""

from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class Principal(StrEnum):
    """A user of the broker. Each service is one, whatever its number of workers; each kind of command is one."""

    INTAKE = "intake"
    ISSUER = "issuer"
    REVOKER = "revoker"
    NOTIFIER = "notifier"
    OCSP_RESPONDER = "ocsp-responder"
    E_SERVICE = "e-service"
    CANARY = "canary"
    """`servicecert canary`."""
    REGISTERS_LOADER = "registers-loader"
    """`servicecert registers`."""
    OPERATOR = "operator"
    """`servicecert lag`, `doctor`, `watch`, `cases`, `topics list`, `ca reconcile --published`."""
    MONITORING = "monitoring"
    """Lag and settings without the content of any record."""
    AUDITOR = "auditor"
    """`servicecert audit verify`, `export`."""
    ERASER = "eraser"
    """`servicecert erase`."""
    TOPICS_CREATOR = "topics-creator"
    """`servicecert topics create`, `list`."""


_KIB = 1024
PRODUCER_BYTE_RATES = MappingProxyType(
    {
        # Eight times what they write in a backlog: 200 certificates a second, 40 kB each, most of it in the journal.
        Principal.INTAKE: 65_536 * _KIB,
        Principal.ISSUER: 65_536 * _KIB,
        Principal.REVOKER: 65_536 * _KIB,
        Principal.NOTIFIER: 65_536 * _KIB,
        # Eight of the largest applications, or a thousand usual ones.
        Principal.E_SERVICE: 2_048 * _KIB,
        Principal.REGISTERS_LOADER: 2_048 * _KIB,
        Principal.ERASER: 256 * _KIB,
        # A few events an hour.
        Principal.CANARY: 32 * _KIB,
        Principal.OCSP_RESPONDER: 32 * _KIB,
    }
)
"""How many octets a second who writes may write to each broker (F5): Kafka's `producer_byte_rate`."""

_SEGMENT = timedelta(days=7)
"""How long a broker writes to one segment. It deletes whole segments, so records are kept for as much longer."""

_FOR_EVER = "-1"


def topic_settings(retention: timedelta | None, *, compacted: bool) -> dict[str, str]:
    """Return the settings of a topic, with Kafka's names; without a retention records are kept for ever.

    What bounds the life of a record is set here, also where it is Kafka's default (E3).
    The index files are small, because a broker preallocates them for each segment. One record from the future would
    keep its whole segment, and all later ones, until then.
    """
    compaction = {
        # Erased data leave the disk within a week (E3). Tombstones stay as long as topics, for slow readers.
        "max.compaction.lag.ms": _milliseconds(timedelta(days=7)),
        "delete.retention.ms": _milliseconds(timedelta(days=90)),
    }
    return {
        **(compaction if compacted else {}),
        "cleanup.policy": "compact" if compacted else "delete",
        "retention.ms": _FOR_EVER if retention is None else _milliseconds(retention),
        "segment.index.bytes": "1048576",
        "segment.bytes": "268435456",
        "segment.ms": _milliseconds(_SEGMENT),
        "min.insync.replicas": "1",
        "message.timestamp.type": "CreateTime",
        "message.timestamp.after.max.ms": _milliseconds(timedelta(hours=1)),
    }


def _milliseconds(period: timedelta) -> str:
    return str(period // timedelta(milliseconds=1))
