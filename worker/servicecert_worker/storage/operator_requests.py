"""Operators' commands: what they change, they change by functions of the schema, which write the audit too (B6, F4)."""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from pydantic_core import to_json

from ..core.decider import Connection
from ..core.faults import OperatorError

NOT_PERMITTED = (
    "The login of DATABASE_URL may not do this: use an operator's own. The first two are made with `servicecert db "
    "operator NAME`, the others with `servicecert proposals operator`."
)


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """An action on a key. `facts` hold no personal data, and are kept for ever."""

    key: str
    facts: Mapping[str, Any] = field(default_factory=dict)


async def permitted(acted: Awaitable[int | None]) -> int:
    """Return how many an act of the schema's functions concerned. Raises `OperatorError` if the login may not act."""
    try:
        return await acted or 0
    except asyncpg.InsufficientPrivilegeError:
        raise OperatorError(NOT_PERMITTED, 77) from None


async def record(
    connection: "Connection | asyncpg.Connection", command: str, actions: Iterable[OperatorAction]
) -> None:
    """Record a command's actions in the audit, in their transaction; the operator is the login.

    Raises `OperatorError` if the login may not.
    """
    chosen = list(actions)
    facts = [to_json(action.facts).decode() for action in chosen]
    query = "select record_operation($1, $2, $3::text[]::jsonb[])"
    await permitted(connection.fetchval(query, command, [action.key for action in chosen], facts))
