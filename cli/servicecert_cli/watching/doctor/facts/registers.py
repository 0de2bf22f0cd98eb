"""What the topic of the registers holds, and the lists of lost keys."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import TopicPartition
from servicecert_pki.key_lists import KeyListDamaged, load_key_lists
from servicecert_schemas.topics import REGISTERS

from ....admin.lag import written
from ..domain import registers as judged
from ..domain.check import critical
from ..domain.registers import LostKeys
from ..sources import Away, Look, Sources, Wrong, setting, shared
from .kafka import copies

_DAY = 86_400.0


@shared
async def registers(sources: Sources) -> tuple[int, float]:
    """Return how many records the topic has, and the age of the newest, without reading one, which few users may."""
    kafka = await sources.kafka()
    count = next((each.partitions for each in await copies(sources) if each.topic == REGISTERS), 0)
    if not count:
        raise Away("Topics")
    partitions = [TopicPartition(kafka.cluster.name(REGISTERS), number) for number in range(count)]
    first, ends = await asyncio.gather(kafka.reader.beginning_offsets(partitions), kafka.reader.end_offsets(partitions))
    records = sum(ends[each] - first[each] for each in partitions)
    if not records:
        return 0, 0.0
    moments = await written(kafka.reader, {each: ends[each] - 1 for each in partitions if ends[each] > first[each]})
    return records, (datetime.now(UTC) - max(moments.values())).total_seconds()


async def loaded(sources: Sources) -> tuple[int, float]:
    """Return the same. Raises Away where nothing is loaded."""
    if (found := await registers(sources))[0]:
        return found
    raise Away("RegistersEmpty")


@shared
async def key_lists(_: Sources) -> list[LostKeys]:
    """Return the lists of lost keys. Raises Skip, and Wrong where they cannot be used: intake does not start then."""
    folder = Path(setting("SERVICECERT_KEY_LISTS_DIR"))

    def read() -> list[LostKeys]:
        now = time.time()
        return [
            LostKeys(name, size, (now - (folder / name).stat().st_mtime) / _DAY)
            for name, size in load_key_lists(folder).sizes().items()
        ]

    try:
        return await asyncio.to_thread(read)
    except (KeyListDamaged, OSError) as refused:
        raise Wrong(critical(str(refused))) from None


async def usable_lists(sources: Sources) -> list[LostKeys]:
    """Return the same. Raises Skip, and Away where they cannot be used."""
    try:
        return await key_lists(sources)
    except Wrong:
        raise Away("KeyListsMissing") from None


LOOKS = {
    "RegistersEmpty": Look(registers, judged.check_registers),
    "RegistersStale": Look(loaded, judged.check_registers_age),
    "KeyListsMissing": Look(key_lists, judged.check_key_lists),
    "KeyListsOld": Look(usable_lists, judged.check_key_lists_age),
}
