"""Operators' commands in the audit (B6).

A function that changes state takes an `Operation`, so that it writes an audit row, in a chain of the command's own.
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
class OperatorAction:
    """An operator's action on a key. `facts` hold no personal data, and are kept for ever."""

    key: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Operation:
    """An operator's command, on a connection to the service's schema. The operator is the database login."""

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

    async def record(self, actions: Iterable[OperatorAction]) -> None:
        """Record actions, in their transaction. Raises `OperatorError` if the login may not write the audit."""
        now = self._clock()
        for action in actions:
            if self._chain is None:
                self._chain = await self._begin_chain(now)
            happened = {"command": self._command, "facts": {"operator": self._operator, **action.facts}}
            await self._chain.add(self._connection, action.key, to_json({"happened": happened}).decode(), now)

    async def _begin_chain(self, now: datetime) -> Chain:
        row = await self._connection.fetchrow("select session_user::text as login, current_schema()::text as service")
        assert row is not None
        self._operator = row["login"]
        chain = Chain(row["service"], {"command": self._command, "operator": self._operator}, os.urandom)
        try:
            await chain.begin(self._connection, now)
        except Unrecorded:
            raise OperatorError(
                f"{self._operator} may not write the audit of {row['service']}, so nothing was changed: "
                "set DATABASE_URL to the service's own role, or an administrator's.",
                77,
            ) from None
        return chain
