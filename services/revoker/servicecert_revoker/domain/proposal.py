"""Carries out a confirmed proposal of operators: a number of certificates a minute, until all are requested. Pure.

Each revocation is requested by an event on `revocations`, like a customer's, and judged like it. The request's id
follows from proposal and case: a repeat has no effect. After a crash it continues from the last committed turn.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.core.decider import Deadline, Decision, Intent

from .requests import CASCADE, CascadeOrder, Item, authority_request

CARRY_OUT = "carry-out"
"""The deadline at which the next part of a proposal is requested."""

MOST_AT_ONCE = 500
"""How many certificates one turn orders at most."""

_TICK = timedelta(seconds=1)
_CATCHES_UP = timedelta(minutes=10)
_KEYS = "proposal/"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person's confirmation, or for what it orders: since when, and the first case of it (D6)."""

    since: datetime
    case_id: UUID


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal and its progress. `rate` is certificates a minute, `next` the first of those left.

    `operators` is None until a second one confirms it. `waiting` is set for a stopped cascade while some of its
    certificates are valid and not revoked.
    """

    id: UUID
    reason: RevocationReason
    operators: str | None
    key_sha256: str | None
    rate: int
    total: int
    ordered: int
    carried_at: datetime | None
    next: tuple[Item, ...]
    done_at: datetime | None = None
    waiting: Waiting | None = None


def proposal_key(id: UUID) -> str:
    """Return the key of a proposal. No case has such a key."""
    return f"{_KEYS}{id}"


def proposal_of(key: str) -> UUID | None:
    """Return the proposal whose key it is, None for any other key."""
    return UUID(key.removeprefix(_KEYS)) if key.startswith(_KEYS) else None


def request_id(proposal: UUID, case_id: UUID | str) -> UUID:
    """Return the id of a proposal's request for a case."""
    return uuid5(proposal, str(case_id))


def carry_out(proposal: Proposal, now: datetime) -> Decision[Proposal]:
    """Order as many as are due, once confirmed.

    First it reports the key, if any; at the end it searches for newer certificates.
    """
    operators = proposal.operators
    if operators is None or proposal.done_at is not None:
        return Decision(proposal)
    events: list[EventData] = []
    if proposal.key_sha256 is not None and proposal.carried_at is None:
        events.append(KeyCompromised(key_sha256=proposal.key_sha256, known_at=now))
    count = min(_due(proposal, now), len(proposal.next))
    events += [
        authority_request(request_id(proposal.id, it.case_id), it, proposal.reason, operators, now)
        for it in proposal.next[:count]
    ]
    so_far = proposal.ordered + count
    done = so_far == proposal.total
    after = replace(
        proposal,
        ordered=so_far,
        carried_at=_carried(proposal, count, now),
        next=proposal.next[count:],
        done_at=now if done else None,
    )
    if not done:
        return Decision(after, tuple(events), deadlines=(Deadline(CARRY_OUT, now + _pause(proposal)),))
    cascade = () if proposal.key_sha256 is None else (Intent(CASCADE, CascadeOrder(key_sha256=proposal.key_sha256)),)
    return Decision(after, tuple(events), cascade)


def _due(proposal: Proposal, now: datetime) -> int:
    """Return how many the rate allows since the last ones. A pause adds at most ten minutes' worth."""
    if proposal.carried_at is None:
        return 1
    passed = min(now - proposal.carried_at, _CATCHES_UP)
    return min(int(passed / timedelta(minutes=1) * proposal.rate), MOST_AT_ONCE)


def _carried(proposal: Proposal, count: int, now: datetime) -> datetime:
    """Return the time up to which the rate is used. Less than one certificate's time counts for the next tick."""
    if proposal.carried_at is None:
        return now
    if not count:
        return proposal.carried_at
    return max(proposal.carried_at, now - _CATCHES_UP) + count * timedelta(minutes=1) / proposal.rate


def _pause(proposal: Proposal) -> timedelta:
    return max(_TICK, timedelta(minutes=1) / proposal.rate)
