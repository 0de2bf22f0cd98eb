"""What is going to happen, drawn from a seed: the same seed and size give the same cases, the same harm, at the same places.

Only how far the system has come when the harm is done is the machine's matter.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

from servicecert_schemas.case import CaseState
from servicecert_schemas.values import CertificateType

T = TypeVar("T")
REQUESTS = 3
"""How many keys, and certificate requests with them, the applicants of each type have."""


class Way(StrEnum):
    """What a case goes through."""

    STRAIGHT = "straight"
    CSR_LATER = "csr-later"
    SUPPLEMENTED = "supplemented"
    RETURNED = "returned"
    REFUSED = "refused"
    REVOKED = "revoked"

    @property
    def end(self) -> CaseState:
        """The state that the case comes to."""
        return _ENDS[self]

    @property
    def is_certified(self) -> bool:
        return self not in (Way.RETURNED, Way.REFUSED)


_ENDS = {
    Way.STRAIGHT: CaseState.DELIVERED,
    Way.CSR_LATER: CaseState.DELIVERED,
    Way.SUPPLEMENTED: CaseState.DELIVERED,
    Way.RETURNED: CaseState.RETURNED,
    Way.REFUSED: CaseState.REFUSED,
    Way.REVOKED: CaseState.REVOKED,
}

WAYS = (
    *[Way.STRAIGHT] * 11,
    *[Way.CSR_LATER] * 2,
    *[Way.SUPPLEMENTED] * 2,
    *[Way.RETURNED] * 2,
    *[Way.REFUSED] * 2,
    Way.REVOKED,
)
"""Of twenty cases, how many go which way."""


@dataclass(frozen=True, slots=True)
class Case:
    """One application. `event_ids` are those of its events; `twice` sends the first again under its id, `anew` under another one."""

    case_id: UUID
    type: CertificateType
    request: int
    way: Way
    event_ids: tuple[UUID, UUID, UUID]
    twice: bool
    anew: bool


class Poison(StrEnum):
    """What is wrong with a record that must be parked."""

    NOISE = "noise"
    NO_KEY = "no-key"
    UNKNOWN_TYPE = "unknown-type"
    WRONG_SCHEMA = "wrong-schema"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class PoisonRecord:
    """A record that every service which reads the topic must park."""

    poison: Poison
    topic: str
    key: UUID
    event_id: UUID


class Blow(StrEnum):
    """A kind of harm."""

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


BLOWS = (*[Blow.KILL] * 5, *[Blow.STOP] * 2, *[Blow.FREEZE] * 2, *list(Blow)[3:])
"""Of nineteen blows, how many are of which kind."""

_OF_A_WORKER = (Blow.KILL, Blow.STOP, Blow.FREEZE)


@dataclass(frozen=True, slots=True)
class Strike:
    """Harm to one part: `wait` s after its burst began to be sent, and for `seconds` where it lasts. `target` is a worker's name, or empty."""

    blow: Blow
    target: str
    wait: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Burst:
    """What is sent at once, the harm that is done meanwhile, and how long it is quiet after."""

    cases: tuple[Case, ...]
    poison: tuple[PoisonRecord, ...]
    strike: Strike | None
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


def blows_for(applications: int) -> int:
    """How many blows so many applications get: each kind at least once."""
    return max(len(BLOWS), applications // 30)


def draw(
    seed: int, applications: int, workers: Sequence[str], blows: int, ways: Sequence[Way] = WAYS, pause: float = 2.2
) -> Plan:
    """The plan of a seed: `applications` cases, in as many bursts as there are blows, or in one. `pause` is the longest after a burst."""
    dice = random.Random(seed)
    cases = list(_cases(dice, applications, ways))
    strikes: list[Strike | None] = [*_strikes(dice, blows, workers)] or [None]
    cuts = sorted(dice.randrange(len(cases) + 1) for _ in strikes[1:])
    parts = [cases[start:end] for start, end in zip([0, *cuts], [*cuts, len(cases)], strict=True)]
    return Plan(
        seed,
        tuple(
            Burst(tuple(part), tuple(_poison(dice)), strike, dice.uniform(0.1, pause))
            for part, strike in zip(parts, strikes, strict=True)
        ),
    )


def _cases(dice: random.Random, count: int, ways: Sequence[Way]) -> Iterator[Case]:
    mixed, types = _decks(dice, ways), _decks(dice, tuple(CertificateType))
    for _ in range(count):
        yield Case(
            case_id=_uuid(dice),
            type=next(types),
            request=dice.randrange(REQUESTS),
            way=next(mixed),
            event_ids=(_uuid(dice), _uuid(dice), _uuid(dice)),
            twice=dice.random() < 0.1,
            anew=dice.random() < 0.05,
        )


def _strikes(dice: random.Random, count: int, workers: Sequence[str]) -> Iterator[Strike]:
    blows, targets = _decks(dice, BLOWS), _decks(dice, workers)
    for _ in range(count):
        blow = next(blows)
        target = next(targets) if blow in _OF_A_WORKER else ""
        yield Strike(blow, target, dice.uniform(0.0, 0.5), dice.uniform(0.3, 4.0))


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
"""The services that take turns over each topic, and so park what is poison there."""


def _poison(dice: random.Random) -> Iterator[PoisonRecord]:
    if dice.random() < 0.6:
        poison = dice.choice(list(Poison))
        yield PoisonRecord(poison, dice.choice(_places(poison)), _uuid(dice), _uuid(dice))


def _places(poison: Poison) -> list[str]:
    """Where a record can be poison: the broker itself takes no record without a key into a compacted topic."""
    return [topic for topic in READERS if not (poison is Poison.NO_KEY and topic == "cases")]


def _decks(dice: random.Random, cards: Sequence[T]) -> Iterator[T]:
    """Cards of shuffled decks, for ever: random, and none is missing for long."""
    while True:
        yield from dice.sample(cards, len(cards))


def _uuid(dice: random.Random) -> UUID:
    return UUID(int=dice.getrandbits(128), version=4)
