"""What happens in a soak, in order, drawn from a seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, takewhile
from typing import TypeAlias

from chaos.plan import Fault, drawn_faults, shuffled

FAULTS_IN_A_ROW = 4
PAUSES = (3.0, 12.0)
"""The shortest and the longest pause after a fault, in seconds."""

OUTAGES = (
    "broker gone",
    "database gone",
    "intake dead",
    "issuer dead",
    "revoker dead",
    "notifier dead",
    "one worker frozen",
    "poison burst",
    "key away",
    "OCSP responder dead",
    "mail server refuses mails",
    "mail server refuses us",
    "lag exporter dead",
)
"""Faults of `make alarms` that last until their alert fires: those that leave the cases as they are."""


class Version(StrEnum):
    """Whose code workers run."""

    RELEASED = "the last release"
    THIS = "this version"

    @property
    def other(self) -> Version:
        return Version.THIS if self is Version.RELEASED else Version.RELEASED


@dataclass(frozen=True, slots=True)
class Outage:
    """A fault that lasts until its alert fires, by its name in `alarms.faults`."""

    name: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """One process after another is stopped and started again, with the code of this version."""

    version: Version


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing happens for so many seconds."""

    seconds: float


Step: TypeAlias = Fault | Outage | Rollout | Pause


def steps_until(moment: float, steps: Iterable[Step], clock: Callable[[], float]) -> Iterator[Step]:
    """Yield the steps that begin before a moment."""
    return takewhile(lambda _: clock() < moment, steps)


def schedule(seed: int, processes: Sequence[str], begin: Version) -> Iterator[Step]:
    """Yield all that happens, for ever: two outages, a rollout, and so on, and before each of them some short faults.

    The short faults hit the `processes`. Workers begin with the version `begin`; each other rollout changes it.
    """
    dice = random.Random(seed)
    faults, outages = drawn_faults(dice, processes), shuffled(dice, OUTAGES)
    version = begin
    for changes in cycle((True, False)):
        version = version.other if changes else version
        for step in (Outage(next(outages)), Rollout(version), Outage(next(outages))):
            for _ in range(FAULTS_IN_A_ROW):
                yield next(faults)
                yield Pause(dice.uniform(*PAUSES))
            yield step
