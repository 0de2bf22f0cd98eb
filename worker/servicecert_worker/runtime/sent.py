"""What was committed and has reached the topics: the journal, and then the events (I4)."""

import asyncio
from dataclasses import dataclass, field

from asyncpg import Pool

from ..core.faults import with_timeout

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
"""How long the relay of this process is waited for before the database is asked, in seconds."""
_UNSENT = "select min(place), max(place), sum(cardinality(keys)) from changes"


@dataclass(eq=False)
class Sent:
    """What has reached the topics: the relay says so if it is in this process, and otherwise the database."""

    pool: Pool
    _up_to: float = field(default=0.0, init=False)
    _looked: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def up_to(self, moment: float) -> None:
        """Note that all is sent that was committed before a moment of the steady clock."""
        self._up_to = moment
        self._looked.set()
        self._looked = asyncio.Event()

    async def unsent(self) -> tuple[int, int, int] | None:
        """Return the places of the first and the last committed change that is not sent, and of how many keys all are.

        None if all are sent. Places tell, and not times: a clock may be set back. Raises what asyncpg raises.
        """
        ((first, last, keys),) = await self.pool.fetch(_UNSENT)
        return None if first is None else (first, last, keys)

    async def wait(self, moment: float) -> None:
        """Return once all is sent that was committed before a moment of the steady clock.

        It waits as long as the topics cannot be written. Raises what asyncpg raises.
        """
        pause, before = _FIRST_PAUSE, 0
        while self._up_to <= moment:
            try:
                await with_timeout(pause, self._looked.wait())
            except TimeoutError:
                if (places := await self.unsent()) is None:
                    return
                first, last, _ = places
                before = before or last
                if first > before:
                    return
                pause = min(_LONGEST_PAUSE, 1.5 * pause)
