"""Restarts dead workers: at once the first time, with growing pauses if they die again soon. Or all, one by one."""

import asyncio
from collections import Counter
from collections.abc import Callable

from servicecert_launcher import Child

from .board import idle_processes, look
from .system import System

STEADY_SECONDS = 30.0
LONGEST_PAUSE = 30.0
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.2


class Supervisor:
    """Restarts a system's workers. `clock` is monotonic, in seconds.

    Call `restart_dead` regularly, and hold `turn` meanwhile: one process at a time is stopped or started.
    """

    def __init__(self, system: System, clock: Callable[[], float]) -> None:
        self.restarts: Counter[str] = Counter()
        self.turn = asyncio.Lock()
        self._system = system
        self._clock = clock
        self._started = dict.fromkeys(system.processes, clock())
        self._soon: Counter[str] = Counter()
        self._due: dict[str, float] = {}

    def restart_dead(self) -> list[str]:
        """Start the dead workers whose pause is over. Return a line for each newly dead one."""
        now = self._clock()
        lines = [self._plan_restart(name, now) for name in self._system.processes if self._is_newly_dead(name)]
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            self._system.start(name)
            self._started[name] = now
            self.restarts[name] += 1
        return lines

    async def restart_all(self, say: Callable[[str], None]) -> None:
        """Restart every process, the next one only while all work; end where one does not for a minute.

        These do not count as restarts.
        """
        left, began = [*self._system.processes], self._clock()
        say(f"Rolling restart of {len(left)} processes begins.")
        idle = await self._idle()
        while left and not idle:
            name, since = left.pop(0), self._clock()
            async with self.turn:
                await asyncio.to_thread(self._system.children[name].stop)
                self._due.pop(name, None)
                await asyncio.to_thread(self._system.start, name)
                self._started[name] = self._clock()
            if not (idle := await self._idle()):
                say(f"{name} was restarted and works again after {self._clock() - since:.1f} s.")
        if not idle:
            return say(f"Rolling restart finished after {self._clock() - began:.1f} s.")
        say(f"Rolling restart ended: {idle[0]} does not work after {PATIENCE_SECONDS:.0f} s.")
        rest = ", ".join(left) or "no process"
        return say(f"Not restarted: {rest}. See {self._system.log(idle[0])}, then send SIGHUP again.")

    async def _idle(self) -> list[str]:
        """Wait until all processes work; return those that do not after a minute."""
        end = self._clock() + PATIENCE_SECONDS
        idle = idle_processes(await look(self._system))
        while idle and self._clock() <= end:
            await asyncio.sleep(LOOK_SECONDS)
            idle = idle_processes(await look(self._system))
        return idle

    def _is_newly_dead(self, name: str) -> bool:
        return name not in self._due and not self._system.children[name].alive

    def _plan_restart(self, name: str, now: float) -> str:
        soon = now - self._started[name] < STEADY_SECONDS
        self._soon[name] = self._soon[name] + 1 if soon else 0
        pause = min(LONGEST_PAUSE, 2.0 ** (self._soon[name] - 1)) if self._soon[name] > 1 else 0.0
        self._due[name] = now + pause
        when = "at once" if pause == 0 else f"in {pause:.0f} s"
        return f"{name} {_end_of(self._system.children[name])} and restarts {when}."


def _end_of(child: Child) -> str:
    """Return how it ended, with its last line of output unless that is a JSON log line."""
    status = child.returncode or 0
    if status > 128:
        return f"was ended by signal {status - 128}"
    line = child.tail(1)
    return f"ended with status {status}" + (f" ({line})" if line and not line.startswith("{") else "")
