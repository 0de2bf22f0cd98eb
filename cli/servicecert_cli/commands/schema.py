"""Run an operator's command in one service's schema."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..connections.addresses import database_url
from ..connections.schema import connected
from ..terminal import interruption

T = TypeVar("T")


def in_schema(
    service: str | None,
    work: Callable[[Any], Coroutine[None, None, T]],
    *,
    patient: bool = False,
    snapshot: bool = False,
) -> T:
    """Run `work` in one transaction on a connection to the service's schema, and return its result.

    A `service` of None is the one whose role DATABASE_URL names. `patient` work reads whole tables, without a time
    limit; a `snapshot` reads them at one moment. Raises OperatorError.
    """
    kind: dict[str, Any] = {"isolation": "repeatable_read", "readonly": True} if snapshot else {}

    async def run() -> T:
        async with (
            connected(database_url(), service, patient=patient or snapshot) as connection,
            connection.transaction(**kind),
        ):
            return await work(connection)

    return interruption.run(run())
