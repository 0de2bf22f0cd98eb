"""The plan of a run, drawn from a seed: the same seed and size give the same cases and faults, in the same order.

Only the system's progress at the moment of a fault depends on the machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

from servicecert_schemas.case import CaseState
from servicecert_schemas.values import CertificateType

T = TypeVar("T")
REQUESTS = 3
"""Number of keys, each with a certificate request, of the applicants of each type."""


class Scenario(StrEnum):
    """The course of a case."""

    STRAIGHT = "straight"
    CSR_LATER = "csr-later"
    SUPPLEMENTED = "supplemented"
    RETURNED = "returned"
    REFUSED = "refused"
    REVOKED = "revoked"

    @property
    def end_state(self) -> CaseState:
        """The final state of the case."""
        return _END_STATES[self]

    @property
    def is_certified(self) -> bool:
        return self not in (Scenario.RETURNED, Scenario.REFUSED)


_END_STATES = {
    Scenario.STRAIGHT: CaseState.DELIVERED,
    Scenario.CSR_LATER: CaseState.DELIVERED,
    Scenario.SUPPLEMENTED: CaseState.DELIVERED,
    Scenario.RETURNED: CaseState.RETURNED,
    Scenario.REFUSED: CaseState.REFUSED,
    Scenario.REVOKED: CaseState.REVOKED,
}

SCENARIOS = (
    *[Scenario.STRAIGHT] * 11,
    *[Scenario.CSR_LATER] * 2,
    *[Scenario.SUPPLEMENTED] * 2,
    *[Scenario.RETURNED] * 2,
    *[Scenario.REFUSED] * 2,
    Scenario.REVOKED,
)
"""The distribution of twenty cases over the scenarios."""


@dataclass(frozen=True, slots=True)
class Case:
    """One application. Its first event is sent again if `duplicated`, and under a new id if `resubmitted`."""

    case_id: UUID
    type: CertificateType
    request: int
    scenario: Scenario
    event_ids: tuple[UUID, UUID, UUID]
    duplicated: bool
    resubmitted: bool


class Poison(StrEnum):
    """The defect of a record that must be parked."""

    NOISE = "noise"
    NO_KEY = "no-key"
    UNKNOWN_TYPE = "unknown-type"
    WRONG_SCHEMA = "wrong-schema"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class PoisonRecord:
    """A record that every service that reads the topic must park."""

    poison: Poison
    topic: str
    key: UUID
    event_id: UUID


class FaultKind(StrEnum):
    """A kind of injector."""

    KILL = "worker killed"
    STOP = "worker stopped"
    FREEZE = "worker frozen"
    KILL_BROKER = "broker killed"
    FREEZE_BROKER = "broker frozen"
    KILL_DATABASE = "database killed"
    STOP_DATABASE = "database stopped at once"
    FREEZE_DATABASE = "database frozen"
    CUT_CONNECTIONS = "database connections cut"
    LOSE_ANSWERS = "mail server's answers lost"
    KILL_MAIL = "mail server killed"
    STALL_MAIL = "mail server stalled"
    REFUSE_MAIL = "mail server refusing at random"


FAULT_KINDS = (*[FaultKind.KILL] * 5, *[FaultKind.STOP] * 2, *[FaultKind.FREEZE] * 2, *list(FaultKind)[3:])
"""The distribution of nineteen faults over the kinds."""

_WORKER_FAULTS = (FaultKind.KILL, FaultKind.STOP, FaultKind.FREEZE)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one component `wait` s after its burst begins, for `seconds`. `target` is a worker, or empty."""

    kind: FaultKind
    target: str
    wait: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Burst:
    """The records that are sent at once, the fault meanwhile, and the pause afterwards in seconds."""

    cases: tuple[Case, ...]
    poison: tuple[PoisonRecord, ...]
    fault: Fault | None
    pause: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All bursts, in order."""

    seed: int
    bursts: tuple[Burst, ...]

    @property
    def cases(self) -> list[Case]:
        return [case for burst in self.bursts for case in burst.cases]

    @property
    def poison(self) -> list[PoisonRecord]:
        return [record for burst in self.bursts for record in burst.poison]


def fault_count(applications: int) -> int:
    """Return the number of faults for that many applications: each kind at least once."""
    return max(len(FAULT_KINDS), applications // 30)


def longest_pause(applications: int, faults: int) -> float:
    """Return the longest pause after a burst, in seconds: in which a system works off some of a large one."""
    return max(2.2, applications / faults / 90)


def draw(
    seed: int,
    applications: int,
    workers: Sequence[str],
    faults: int,
    scenarios: Sequence[Scenario] = SCENARIOS,
    pause: float = 2.2,
) -> Plan:
    """Return the plan of a seed: `applications` cases, in one burst per fault. `pause` is the longest after a burst."""
    dice = random.Random(seed)
    cases = list(_cases(dice, applications, scenarios))
    drawn: list[Fault | None] = [*islice(drawn_faults(dice, workers), faults)] or [None]
    cuts = sorted(dice.randrange(len(cases) + 1) for _ in drawn[1:])
    parts = [cases[start:end] for start, end in zip([0, *cuts], [*cuts, len(cases)], strict=True)]
    return Plan(
        seed,
        tuple(
            Burst(tuple(part), tuple(_poison(dice)), fault, dice.uniform(0.1, pause))
            for part, fault in zip(parts, drawn, strict=True)
        ),
    )


def _cases(dice: random.Random, count: int, scenarios: Sequence[Scenario]) -> Iterator[Case]:
    courses, types = shuffled(dice, scenarios), shuffled(dice, tuple(CertificateType))
    for _ in range(count):
        yield Case(
            case_id=_uuid(dice),
            type=next(types),
            request=dice.randrange(REQUESTS),
            scenario=next(courses),
            event_ids=(_uuid(dice), _uuid(dice), _uuid(dice)),
            duplicated=dice.random() < 0.1,
            resubmitted=dice.random() < 0.05,
        )


def drawn_faults(dice: random.Random, workers: Sequence[str]) -> Iterator[Fault]:
    """Yield faults for ever, each kind equally often."""
    kinds, targets = shuffled(dice, FAULT_KINDS), shuffled(dice, workers)
    for kind in kinds:
        target = next(targets) if kind in _WORKER_FAULTS else ""
        yield Fault(kind, target, dice.uniform(0.0, 0.5), dice.uniform(0.3, 4.0))


READERS = MappingProxyType(
    {
        "applications": ("intake",),
        "accepted-applications": ("issuer",),
        "certificates": ("intake", "revoker", "notifier"),
        "revocations": ("revoker",),
        "certificate-status": ("intake", "issuer", "notifier"),
        "notifications": ("intake",),
        "cases": ("notifier",),
    }
)
"""The services that process each topic, and so park its poison records."""


def _poison(dice: random.Random) -> Iterator[PoisonRecord]:
    if dice.random() < 0.6:
        poison = dice.choice(list(Poison))
        yield PoisonRecord(poison, dice.choice(_topics_for(poison)), _uuid(dice), _uuid(dice))


def _topics_for(poison: Poison) -> list[str]:
    """Return the topics for a poison record: the broker itself rejects a record without a key in a compacted topic."""
    return [topic for topic in READERS if not (poison is Poison.NO_KEY and topic == "cases")]


def shuffled(dice: random.Random, values: Sequence[T]) -> Iterator[T]:
    """Yield all values in random order, then again, for ever: so each occurs equally often."""
    while True:
        yield from dice.sample(values, len(values))


def _uuid(dice: random.Random) -> UUID:
    return UUID(int=dice.getrandbits(128), version=4)
