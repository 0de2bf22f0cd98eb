"""How a partition's lag stands, from samples over some time: the verdicts of Burrow. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Verdict(StrEnum):
    """How the lag of a partition stands.

    `behind`: records are handled, and more wait at each sample. `stalled`: none is handled, though a worker has the
    partition. `stopped`: none is handled, and no worker has it.
    """

    OK = "ok"
    BEHIND = "behind"
    STALLED = "stalled"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Sample:
    """A partition at one moment: the offset to handle next, the end, and whether a worker has it."""

    offset: int
    end: int
    is_assigned: bool

    @property
    def lag(self) -> int:
        return max(0, self.end - self.offset)


def verdict(samples: Sequence[Sample]) -> Verdict:
    """Return how the lag stands after these samples, from the oldest on. Where nothing waited once, all is well."""
    if len(samples) < 2 or not all(each.lag for each in samples):
        return Verdict.OK
    first, last = samples[0], samples[-1]
    if first.offset == last.offset:
        return Verdict.STALLED if last.is_assigned else Verdict.STOPPED
    grows = last.lag > first.lag and all(before.lag <= after.lag for before, after in pairwise(samples))
    return Verdict.BEHIND if grows else Verdict.OK
