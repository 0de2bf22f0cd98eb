"""What intake holds in memory: lists of leaked keys (A4), and the topics that it follows, with their bounds (F5)."""

import logging
from pathlib import Path

from servicecert_pki.key_checks import NO_LISTS, KeyLists, load_key_lists
from servicecert_worker.core.decider import Gauge

from ..domain.knowledge import Knowledge

log = logging.getLogger(__name__)


def load_lists(folder: Path | None) -> KeyLists:
    """Return the lists of a folder, or none, with a warning: leaked keys are then accepted. Raises KeyListDamaged."""
    if folder is None:
        log.warning("No list of leaked and compromised keys is loaded: set SERVICECERT_KEY_LISTS_DIR")
        return NO_LISTS
    lists = load_key_lists(folder)
    log.info("Loaded the lists of leaked and compromised keys", extra={"keys": dict(lists.sizes())})
    return lists


def gauge_of_lists(lists: KeyLists) -> Gauge:
    text = "Keys in the lists of leaked and compromised keys, by file."
    return Gauge("servicecert_key_list_records", text, "list", dict(lists.sizes()) or {"none": 0})


class Sizes:
    """The sizes of the newest snapshot, by what it is of."""

    def __init__(self, most_entries: int, most_accounts: int) -> None:
        self._most = {"registers": most_entries, "accounts": most_accounts}
        self._entries = dict.fromkeys(self._most, 0)
        self._fill = dict.fromkeys(self._most, 0.0)

    def note(self, known: Knowledge) -> None:
        """Note the newest snapshot. Log an alarm for each part that is full: further records are left out."""
        self._entries.update(registers=len(known.registers.entries), accounts=len(known.accounts))
        for what, size in self._entries.items():
            self._fill[what] = size / self._most[what]
            if size >= self._most[what]:
                log.error(
                    "alarm: a followed topic holds more than intake takes in: further entries are left out",
                    extra={"topic": what, "entries": size, "most": self._most[what]},
                )

    def gauges(self) -> tuple[Gauge, ...]:
        return (
            Gauge(
                "servicecert_followed_entries",
                "Entries of a followed topic that are in memory, ended ones too, by topic.",
                "topic",
                self._entries,
            ),
            Gauge(
                "servicecert_followed_fill",
                "How full the memory for a followed topic is, by topic: at 1 further entries are left out.",
                "topic",
                self._fill,
            ),
        )
