"""Looks at conditions, all at the same time. Each stands alone: one that fails, or takes too long, hides no other."""

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

from ..conditions import Severity
from .catalogue import CATALOGUE, CAUSES, LOOKS
from .domain.check import Check, Finding, first_things_first, result, skipped
from .facts.database import READER, MayNotRead
from .sources import Away, Look, Skip, Sources

SECONDS = 8.0
"""After this time what is not done is unknown."""
_REFUSED = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)


async def examine(names: Collection[str] = (), settings: Sequence[type[BaseSettings]] = ()) -> list[Check]:
    """Make these checks, or all, and return the results in the catalogue's order.

    `settings` are those of the processes beside the services.
    Where one of them could not be made because of a fault that another check reports, the other one is added; so is one
    that finds what has to be mended first.
    """
    chosen = [name for name in CATALOGUE if not names or name in names]
    async with Sources(settings) as sources:
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
    """Return each check, and the name of another one that says why it could not be made."""
    found = await asyncio.gather(*(_one(sources, LOOKS[name], until) for name in names))
    return {name: (result(CATALOGUE[name], each), cause) for name, (each, cause) in zip(names, found, strict=True)}


async def _one(sources: Sources, look: Look[Any], until: float) -> tuple[Finding, str | None]:
    try:
        async with asyncio.timeout_at(until):
            return await look(sources), None
    except asyncpg.LockNotAvailableError:
        return _away("TableLocked"), "TableLocked"
    except Away as away:
        return _away(away.check), away.check
    except Exception as error:
        return _finding(error), None


def _away(check: str) -> Finding:
    return skipped(f"Not possible: see `{check}`.")


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
