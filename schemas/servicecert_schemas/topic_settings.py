"""A topic's settings in Kafka. What bounds the life of a record is set here, also where it is Kafka's default (E3)."""

from datetime import timedelta

_SEGMENT = timedelta(days=7)
"""How long a broker writes to one segment. It deletes whole segments, so records are kept for as much longer."""

_FOR_EVER = "-1"


def topic_settings(retention: timedelta | None, *, compacted: bool) -> dict[str, str]:
    """Return the settings of a topic, with Kafka's names; without a retention records are kept for ever.

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
        "max.message.bytes": "1048576",
        "min.insync.replicas": "1",
        "message.timestamp.type": "CreateTime",
        "message.timestamp.after.max.ms": _milliseconds(timedelta(hours=1)),
    }


def _milliseconds(period: timedelta) -> str:
    return str(period // timedelta(milliseconds=1))
