"""What the topic of the registers holds, and the lists of lost keys."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import TopicPartition
from servicecert_pki.key_lists import KeyListDamaged, load_key_lists
from servicecert_schemas.topics import REGISTERS

from ..domain.registers import LostKeys, Registers
from ..sources import Away, Sources, setting
from .kafka import copies

_OLDEST_DAYS = 731
_DAY = 86_400.0


async def registers(sources: Sources) -> Registers:
    """Return how many records the topic has, and the age of the newest, without reading one.

    A user who may see the topic but not read it can ask, for a time, whether there is a later record.
    """
    kafka = await sources.kafka()
    count = next((each.partitions for each in await copies(sources) if each.topic == REGISTERS), 0)
    if not count:
        raise Away("topics")
    partitions = [TopicPartition(kafka.cluster.name(REGISTERS), number) for number in range(count)]
    first, ends = await asyncio.gather(kafka.reader.beginning_offsets(partitions), kafka.reader.end_offsets(partitions))
    records = sum(ends[each] - first[each] for each in partitions)
    if not records:
        return Registers(0, None)
    now = datetime.now(UTC)

    async def is_newer_than(days: int) -> bool:
        moment = int((now - timedelta(days=days)).timestamp() * 1000)
        found = await kafka.reader.offsets_for_times(dict.fromkeys(partitions, moment))
        return any(each is not None for each in found.values())

    if not await is_newer_than(_OLDEST_DAYS):
        return Registers(records, None)
    low, high = 0, _OLDEST_DAYS
    while low < high:
        middle = (low + high) // 2
        if await is_newer_than(middle):
            high = middle
        else:
            low = middle + 1
    return Registers(records, max(0, low - 1))


async def key_lists(_: Sources) -> tuple[list[LostKeys], str | None]:
    """Return the lists of lost keys, or why they cannot be used. Raises Skip."""
    folder = Path(setting("SERVICECERT_KEY_LISTS_DIR"))

    def read() -> list[LostKeys]:
        now = time.time()
        return [
            LostKeys(name, size, (now - (folder / name).stat().st_mtime) / _DAY)
            for name, size in load_key_lists(folder).sizes().items()
        ]

    try:
        return await asyncio.to_thread(read), None
    except (KeyListDamaged, OSError) as fault:
        return [], str(fault)
