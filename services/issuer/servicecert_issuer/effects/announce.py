"""Announces what will be signed, before a CA key is used (I4)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from servicecert_schemas.certificate import CertificateIntended
from servicecert_worker.decider import Task

from ..domain.announcement import announcement
from ..domain.issuance import Intended


@dataclass(frozen=True)
class Announce:
    """Returns the announcements of signing orders. `intents` returns the intents that the table of certificates has."""

    intents: Callable[[Sequence[str]], Awaitable[Mapping[str, Intended]]]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[CertificateIntended | None]:
        intended = await self.intents([task.key for task in tasks])
        return [announcement(task.key, task.data, intended.get(task.key)) for task in tasks]
