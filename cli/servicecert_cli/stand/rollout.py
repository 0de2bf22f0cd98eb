"""Decides a rolling restart: one process after another, the next one only while all others work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Stop this process, and start it again."""

    name: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """This process works again, `seconds` after it was told to stop."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """This process does not work after `PATIENCE_SECONDS`. The restart ends here; `left` keep running as they are."""

    name: str
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """All processes were restarted, in `seconds`."""

    seconds: float


Step: TypeAlias = Restart | Restarted | Stuck | Finished


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rolling restart in progress: `current` is restarting since `since`, `left` follow.

    Without `current`, all processes must work before the next one is stopped; `since` is when that wait began.
    """

    left: tuple[str, ...]
    total: int
    began: float
    since: float
    current: str | None = None

    def words(self) -> str:
        """Return its progress for people."""
        number = self.total - len(self.left)
        return f"rolling restart: {self.current or 'waiting for all'}, {number} of {self.total}"


def begin(names: Sequence[str], now: float) -> Rollout:
    """Return a rolling restart of these processes, in this order."""
    return Rollout(tuple(names), len(names), began=now, since=now)


def step(rollout: Rollout, works: Mapping[str, bool], now: float) -> tuple[Rollout, Step | None]:
    """Return what to do now, None to wait, and the rolling restart after it.

    `works` says which processes are ready and read their partitions. After Stuck and Finished it is over.
    """
    patient = now - rollout.since <= PATIENCE_SECONDS
    if rollout.current is not None:
        if works[rollout.current]:
            done = Restarted(rollout.current, now - rollout.since)
            return replace(rollout, current=None, since=now), done
        return rollout, None if patient else Stuck(rollout.current, rollout.left)
    if not rollout.left:
        return rollout, Finished(now - rollout.began)
    if missing := [name for name, working in works.items() if not working]:
        return rollout, None if patient else Stuck(missing[0], rollout.left)
    following, *left = rollout.left
    return replace(rollout, left=tuple(left), current=following, since=now), Restart(following)
