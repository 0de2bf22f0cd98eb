"""Says aloud that a revocation is late (D4): an act, so that it is said whatever dies between."""

import logging
from collections.abc import Sequence

from servicecert_worker.decider import Done, Outcome, Task

from ..domain.clocks import Alarmed

log = logging.getLogger(__name__)


async def alarm(tasks: Sequence[Task]) -> Sequence[Outcome]:
    """The effect."""
    for task in tasks:
        log.error(
            "alarm: the revocation of the certificate of %s was due at %s and is not known to the world",
            task.key,
            task.data.due.isoformat(),
        )
    return [Done(Alarmed()) for _ in tasks]
