"""Makes checks, all at the same time. Each stands alone: one that fails, or takes too long, hides no other."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import asyncpg
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
from pydantic_settings import BaseSettings
from servicecert_worker.core.faults import error_summary, is_transient, operator_message

from .catalogue import CATALOGUE, CAUSES, Line
from .domain.check import Check, Finding, Severity, first_things_first, skipped
from .facts.database import READER, MayNotRead
from .sources import Away, Skip, Sources

SECONDS = 8.0
"""After this time what is not done is unknown."""
_REFUSED = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)


async def examine(names: Collection[str] = (), settings: Sequence[type[BaseSettings]] = ()) -> list[Check]:
    """Make these checks, or all, and return the results in the catalogue's order.

    `settings` are those of the processes beside the services.
    Where one of them could not be made because of a fault that another check reports, the other one is added; so is one
    that finds what has to be mended first.
    """
    chosen = [line for name, line in CATALOGUE.items() if not names or name in names]
    async with Sources(settings) as sources:
        until = asyncio.get_running_loop().time() + SECONDS
        made = await _made(sources, chosen, until)
        causes = {cause for _, cause in made.values() if cause is not None} - made.keys()
        made |= await _made(sources, [CATALOGUE[cause] for cause in causes], until)
        remedied = {name for name, (check, _) in made.items() if check.remedy}
        unasked = [CATALOGUE[cause] for cause in CAUSES.keys() - made.keys() if remedied & CAUSES[cause]]
        asked = await _made(sources, unasked, until)
        made |= {name: one for name, one in asked.items() if one[0].severity is Severity.CRITICAL}
    return first_things_first([made[name][0] for name in CATALOGUE if name in made], CAUSES)


async def _made(sources: Sources, lines: Sequence[Line[Any]], until: float) -> dict[str, tuple[Check, str | None]]:
    """Return each check, and the name of another one that says why it could not be made."""
    results = await asyncio.gather(*(_one(sources, line, until) for line in lines))
    return {line.check.name: result for line, result in zip(lines, results, strict=True)}


async def _one(sources: Sources, line: Line[Any], until: float) -> tuple[Check, str | None]:
    try:
        async with asyncio.timeout_at(until):
            return line.check(await line.ask(sources)), None
    except asyncpg.LockNotAvailableError:
        return line.check.result(skipped("Not possible: see `table-locks`.")), "table-locks"
    except Away as away:
        return line.check.result(skipped(f"Not possible: see `{away.check}`.")), away.check
    except Exception as error:
        return line.check.result(_finding(error)), None


def _finding(error: Exception) -> Finding:
    match error:
        case Skip():
            return skipped(str(error), error.remedy)
        case MayNotRead():
            return _unknown(str(error), READER)
        case asyncpg.InsufficientPrivilegeError():
            return _unknown("DATABASE_URL's role may not ask that.", READER)
        case TimeoutError():
            return _unknown("No answer in time.", f"The doctor waits {SECONDS:.0f} s for everything: look at the load.")
        case _ if isinstance(error, _REFUSED):
            return _unknown(
                "Kafka does not tell this user.", "Use the rights of `operator`: `servicecert topics acls`."
            )
        case _ if (expected := operator_message(error)) is not None:
            return _unknown(expected[0], "Correct it, then look again.")
        case _ if is_transient(error):
            return _unknown(f"The server stopped answering ({type(error).__name__}).", "Look again.")
        case _:
            return _unknown(f"The check failed: {error_summary(error)}.", "Report this to the developers.")


def _unknown(text: str, remedy: str) -> Finding:
    return Finding(Severity.UNKNOWN, text, remedy)
