"""The conditions that the doctor looks at, all at the same time.

Each look stands alone: one that fails, or takes too long, hides no other.
"""

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

import asyncpg
from servicecert_worker.core.faults import error_summary, is_transient, operator_message

from ...connections.kafka import REFUSED, needed
from ..conditions import CONDITIONS, Severity
from .domain.check import Check, Finding, first_things_first, result, unknown
from .facts import authority, database, figures, kafka, machine, mail, web
from .facts.database import READER
from .sources import CORRECT, Look, Sources, Stopped, elsewhere

_ALL = (figures, kafka, database, authority, web, mail, machine)
LOOKS: dict[str, Look[Any]] = {name: look for module in _ALL for name, look in module.LOOKS.items()}

CATALOGUE = MappingProxyType({name: condition for name, condition in CONDITIONS.items() if name in LOOKS})
"""The conditions that the doctor looks at by name, in the order in which they are shown."""

_LATE = frozenset(
    {"LagHigh", "DeadlinesLate", "IntentsStuck", "OutboxStuck", "AuditUnsigned", "MailsWait"}
    | {"RevocationSlow", "RevocationNear", "RevocationLate", "DeliveryNear", "DeliveryLate", "LapseLate"}
)
_DECIDED = frozenset({"ServiceDown", "PartitionsUnread", "Parked", "IssuingStopped", "Ocsp"})
CAUSES = MappingProxyType({"Fence": _LATE | _DECIDED, "TableLocked": _LATE})
"""What has to be mended first, and the conditions that then have no remedy of their own.

Where a database or Kafka comes from the past no worker may start, and what the tables say is not to be acted on.
"""
OPERATOR = "No right at Kafka: log in as `operator`."
SECONDS = 8.0
"""After this time what is not done is unknown."""


async def examine(names: Collection[str] = ()) -> list[Check]:
    """Make these checks, or all, and return the results in the catalogue's order.

    Where one of them could not be made because of a fault that another check reports, the other one is added; so is one
    that finds what has to be mended first.
    """
    chosen = [name for name in CATALOGUE if not names or name in names]
    async with aclosing(Sources()) as sources:
        until = asyncio.get_running_loop().time() + SECONDS
        made = await _made(sources, chosen, until)
        causes = {cause for _, cause in made.values() if cause is not None} - made.keys()
        made |= await _made(sources, causes, until)
        remedied = {name for name, (check, _) in made.items() if check.remedy}
        unasked = [cause for cause in CAUSES.keys() - made.keys() if remedied & CAUSES[cause]]
        asked = await _made(sources, unasked, until)
        made |= {name: one for name, one in asked.items() if one[0].severity is Severity.CRITICAL}
    return first_things_first([made[name][0] for name in CATALOGUE if name in made], CAUSES)


async def _made(sources: Sources, names: Collection[str], until: float) -> dict[str, tuple[Check, str | None]]:
    found = await asyncio.gather(*(_one(sources, name, until) for name in names))
    return {name: (result(CATALOGUE[name], each), cause) for name, (each, cause) in zip(names, found, strict=True)}


async def _one(sources: Sources, name: str, until: float) -> tuple[Finding, str | None]:
    look = LOOKS[name]
    try:
        async with asyncio.timeout_at(until):
            return look.judge(await look.ask(sources)), None
    except asyncpg.LockNotAvailableError:
        stopped = elsewhere("TableLocked")
    except Stopped as itself:
        stopped = itself
    except Exception as error:
        return _finding(error), None
    if stopped.check is None or stopped.check == name:
        return stopped.finding, None
    return elsewhere(stopped.check).finding, stopped.check


def _finding(error: Exception) -> Finding:
    match error:
        case asyncpg.InsufficientPrivilegeError():
            return unknown("DATABASE_URL's role may not ask that.", READER)
        case TimeoutError():
            return unknown("No answer in time.", f"The doctor waits {SECONDS:.0f} s for everything: look at the load.")
        case _ if isinstance(error, REFUSED):
            return unknown(f"Not looked at: no right to {needed(error)} at Kafka.", OPERATOR)
        case _ if (expected := operator_message(error)) is not None:
            return unknown(expected[0], CORRECT)
        case _ if is_transient(error):
            return unknown(f"The server stopped answering ({type(error).__name__}).", "Look again.")
        case _:
            return unknown(f"The check failed: {error_summary(error)}.", "Report this to the developers.")
