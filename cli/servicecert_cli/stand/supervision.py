"""Restarts dead workers: at once the first time, with growing pauses if they die again soon."""

from collections import Counter
from collections.abc import Callable

from servicecert_launcher import Child

from .system import System

STEADY_SECONDS = 30.0
LONGEST_PAUSE = 30.0


class Supervisor:
    """Restarts a system's workers. `clock` is monotonic, in seconds."""

    def __init__(self, system: System, clock: Callable[[], float]) -> None:
        self.restarts: Counter[str] = Counter()
        self._system = system
        self._clock = clock
        self._started = dict.fromkeys(system.processes, clock())
        self._soon: Counter[str] = Counter()
        self._due: dict[str, float] = {}

    def restart_dead(self) -> list[str]:
        """Start the dead workers whose pause is over. Return a line for each newly dead one."""
        now = self._clock()
        rest = [name for name in self._system.processes if name not in self._due]
        lines = [self._plan_restart(name, now) for name in rest if not self._system.children[name].alive]
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            self._system.start(name)
            self._started[name] = now
            self.restarts[name] += 1
        return lines

    def _plan_restart(self, name: str, now: float) -> str:
        soon = now - self._started[name] < STEADY_SECONDS
        self._soon[name] = self._soon[name] + 1 if soon else 0
        pause = min(LONGEST_PAUSE, 2.0 ** (self._soon[name] - 1)) if self._soon[name] > 1 else 0.0
        self._due[name] = now + pause
        when = "at once" if pause == 0 else f"in {pause:.0f} s"
        return f"{name} {_end_of(self._system.children[name])} and restarts {when}."


def _end_of(child: Child) -> str:
    status = child.returncode or 0
    if status > 128:
        return f"was ended by signal {status - 128}"
    lines = child.tail(100).splitlines() or [""]
    # A defect is told before its trace.
    line = next((each for each in reversed(lines) if "ended by a defect" in each), lines[-1])
    return f"ended with status {status}" + (f" ({line})" if line and not line.startswith("{") else "")
