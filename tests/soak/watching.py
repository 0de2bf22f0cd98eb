"""What is seen of the processes during a soak: their memory and file descriptors, and pauses of the work."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import psutil
from chaos.testbed import Testbed
from servicecert_cli.stand.system import service_of

SAMPLE_SECONDS = 5.0
PROGRESS_SECONDS = 0.25
WARM_SECONDS = 120.0
"""After its start, a process fills what it keeps: connections, imports, its copies of topics."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process has at a moment: resident memory in bytes, and open file descriptors."""

    at: float
    memory: int
    files: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of a service's process that lived longest, since it was warm; `lives` counts all its processes."""

    service: str
    lives: int
    first: Sample
    last: Sample

    @property
    def minutes(self) -> float:
        return (self.last.at - self.first.at) / 60

    @property
    def memory(self) -> int:
        """Bytes."""
        return self.last.memory - self.first.memory

    @property
    def files(self) -> int:
        return self.last.files - self.first.files


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one moment to another, in seconds since 1970."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def touches(self, other: Stretch) -> bool:
        """Return whether both share a moment."""
        return self.began <= other.ended and other.began <= self.ended


@dataclass
class Watch:
    """Collects samples by process (name and number), and when certificates were issued and mails received."""

    testbed: Testbed
    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    progress: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def watch(self) -> None:
        """Look again and again, for ever."""
        counts: dict[str, int] = {}
        due = 0.0
        while True:
            now = time.time()
            seen = {"certificate": len(self.testbed.traffic.issued), "mail": len(self.testbed.mail_server.mails)}
            for what, count in seen.items():
                if count != counts.get(what, 0):
                    self.progress[what].append(now)
            counts = seen
            if now >= due:
                due = now + SAMPLE_SECONDS
                self._sample(now)
            await asyncio.sleep(PROGRESS_SECONDS)

    def _sample(self, now: float) -> None:
        for name, child in self.testbed.system.children.items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(child.pid)
                with process.oneshot():
                    sample = Sample(now, process.memory_info().rss, process.num_fds())
                self.samples[name, child.pid].append(sample)


def growths(samples: Mapping[tuple[str, int], Sequence[Sample]]) -> list[Growth]:
    """Return the growth of each service whose longest-lived process became warm, in the order in which they started."""
    by_service: dict[str, list[Sequence[Sample]]] = defaultdict(list)
    for (name, _), seen in samples.items():
        by_service[service_of(name)].append(seen)
    found = []
    for service, lives in by_service.items():
        longest = max(lives, key=lambda seen: seen[-1].at - seen[0].at)
        warm = [sample for sample in longest if sample.at - longest[0].at >= WARM_SECONDS]
        if warm:
            found.append(Growth(service, len(lives), warm[0], warm[-1]))
    return found


def longest_pause(moments: Sequence[float], besides: Iterable[Stretch] = ()) -> Stretch | None:
    """Return the longest time without progress that touches none of `besides`; None if there is none."""
    left_out = list(besides)
    pauses = (Stretch(began, ended) for began, ended in pairwise(moments))
    return max(
        (pause for pause in pauses if not any(pause.touches(each) for each in left_out)),
        key=lambda pause: pause.seconds,
        default=None,
    )
