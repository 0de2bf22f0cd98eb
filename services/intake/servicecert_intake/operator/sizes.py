"""The sizes of what intake holds in memory of the topics that it follows, and their bounds (F5)."""

import logging
from collections.abc import Mapping

from servicecert_worker.core.decider import Gauge

from ..domain.knowledge import NOTHING_KNOWN, Knowledge

log = logging.getLogger(__name__)


class Sizes:
    """The sizes of the newest snapshot, by what it is of."""

    def __init__(self, most_entries: int, most_accounts: int) -> None:
        self._most = {"registers": most_entries, "accounts": most_accounts}
        self._known = NOTHING_KNOWN

    def now(self) -> Mapping[str, int]:
        return {"registers": len(self._known.registers.entries), "accounts": len(self._known.accounts)}

    def note(self, known: Knowledge) -> None:
        """Note the newest snapshot. Log an alarm for each part that is full: further records are left out."""
        self._known = known
        for what, size in self.now().items():
            if size >= self._most[what]:
                log.error(
                    "alarm: a followed topic holds more than intake takes in: further entries are left out",
                    extra={"topic": what, "entries": size, "most": self._most[what]},
                )

    def gauges(self) -> tuple[Gauge, ...]:
        async def fill() -> Mapping[str, float]:
            return {what: size / self._most[what] for what, size in self.now().items()}

        async def entries() -> Mapping[str, float]:
            return {what: float(size) for what, size in self.now().items()}

        return (
            Gauge(
                "servicecert_followed_entries",
                "Entries of a followed topic that are in memory, ended ones too, by topic.",
                "topic",
                entries,
            ),
            Gauge(
                "servicecert_followed_fill",
                "How full the memory for a followed topic is, by topic: at 1 further entries are left out.",
                "topic",
                fill,
            ),
        )
