"""Announces what will be signed, before a CA key is used (I4)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from servicecert_schemas.certificate import CertificateIntended
from servicecert_worker.core.decider import Task

from ..domain.events import announcement
from ..domain.issuance import State


@dataclass(frozen=True)
class Announce:
    """Returns the announcements of signing orders. `states` returns the cases that the table of certificates has."""

    states: Callable[[Sequence[str]], Awaitable[Mapping[str, State]]]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[CertificateIntended | None]:
        states = await self.states([task.key for task in tasks])
        return [announcement(task.key, task.data, states.get(task.key)) for task in tasks]
