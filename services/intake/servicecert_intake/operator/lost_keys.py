"""The lists of leaked keys, and the metrics of keys (A4)."""

import logging
from collections.abc import Mapping
from pathlib import Path

from servicecert_pki.key_lists import NO_LISTS, KeyListDamaged, KeyLists, load_key_lists
from servicecert_worker.core.decider import Gauge
from servicecert_worker.core.faults import OperatorError

log = logging.getLogger(__name__)


def load(folder: Path | None) -> KeyLists:
    """Return the lists of a folder, or none, with a warning: leaked keys are then accepted. Raise `OperatorError`."""
    if folder is None:
        log.warning("No list of leaked and compromised keys is loaded: set SERVICECERT_KEY_LISTS_DIR")
        return NO_LISTS
    try:
        lists = load_key_lists(folder)
    except KeyListDamaged as damaged:
        raise OperatorError(str(damaged)) from None
    log.info("Loaded the lists of leaked and compromised keys", extra={"keys": dict(lists.sizes())})
    return lists


def gauges(lists: KeyLists) -> tuple[Gauge, ...]:
    """Return the gauges of the lists."""

    async def sizes() -> Mapping[str, float]:
        return dict(lists.sizes()) or {"none": 0}

    return (
        Gauge(
            "servicecert_key_list_records", "Keys in the lists of leaked and compromised keys, by file.", "list", sizes
        ),
    )
