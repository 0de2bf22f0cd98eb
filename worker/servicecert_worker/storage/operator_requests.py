"""What operators do by commands, told in the audit as what workers do is (B6).

What changes what happens takes an `Operation`, so none of it is done without a row: in a chain of the command's own, in the transaction that does it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
from pydantic_core import to_json

from ..audit.chain import Chain, Unrecorded
from ..clock import machine_clock
from ..decider import Connection
from ..faults import OperatorError


@dataclass(frozen=True, slots=True)
class Act:
    """Something that an operator does to a key. `facts` name no person, and are kept for ever."""

    key: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Operation:
    """A command of an operator, on a connection to the schema of the service that it is about. Who acts is whoever is logged in to the database."""

    def __init__(
        self,
        connection: Connection | asyncpg.Connection[Any],
        command: str,
        clock: Callable[[], datetime] = machine_clock,
    ) -> None:
        self._connection = connection
        self._command = command
        self._clock = clock
        self._chain: Chain | None = None
        self._operator = ""

    async def tell(self, acts: Iterable[Act]) -> None:
        """Tells the acts, within the transaction that does them. Raises `OperatorError` where this login may not write the audit."""
        now = self._clock()
        for act in acts:
            if self._chain is None:
                self._chain = await self._begun(now)
            happened = {"command": self._command, "facts": {"operator": self._operator, **act.facts}}
            await self._chain.note(self._connection, act.key, to_json({"happened": happened}).decode(), now)

    async def _begun(self, now: datetime) -> Chain:
        row = await self._connection.fetchrow("select session_user::text as login, current_schema()::text as service")
        assert row is not None
        self._operator = row["login"]
        chain = Chain(row["service"], {"command": self._command, "operator": self._operator}, os.urandom)
        try:
            await chain.begin(self._connection, now)
        except Unrecorded:
            raise OperatorError(
                f"{self._operator} may not write the audit of {row['service']}, and without it nothing is done: "
                "name the service's own role, or an administrator's, in DATABASE_URL.",
                77,
            ) from None
        return chain
