"""What two operators of the authority want revoked, and how it is carried out: so many certificates a minute, until all are ordered. Pure.

Each certificate's revocation is ordered by an event on `revocations`, as a customer's is, and is judged like any other. Its request's id follows from
the proposal and the case, so that one that is ordered again has one effect. A revoker that dies goes on where the last committed turn ended.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.decider import Deadline, Decision, Intent

from ...domain.requests import CASCADE, CascadeOrder, Item, ordered

CARRY_OUT = "carry-out"
"""The deadline at which a proposal is gone on with."""

MOST_AT_ONCE = 500
"""How many certificates are ordered by one turn at most."""

_TICK = timedelta(seconds=1)
_CATCHES_UP = timedelta(minutes=10)
_KEYS = "proposal/"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A confirmed proposal, as far as it is carried out. `rate` is in certificates a minute, `next` are the first of those that are left."""

    id: UUID
    reason: RevocationReason
    operators: str
    key_sha256: str | None
    rate: int
    total: int
    ordered: int
    carried_at: datetime | None
    next: tuple[Item, ...]
    done_at: datetime | None = None


def proposal_key(id: UUID) -> str:
    """The key under which a proposal is carried out. It is no case's."""
    return f"{_KEYS}{id}"


def proposal_of(key: str) -> UUID | None:
    """The proposal whose key it is, None for any other key."""
    return UUID(key.removeprefix(_KEYS)) if key.startswith(_KEYS) else None


def request_id(proposal: UUID, case_id: UUID | str) -> UUID:
    """The id of the request that a proposal makes for a case."""
    return uuid5(proposal, str(case_id))


def gone_on(proposal: Proposal, now: datetime) -> Decision[Proposal]:
    """Orders as many as are due by now. A key's proposal blocks the key first, and then looks for certificates that came since it was made."""
    if proposal.done_at is not None:
        return Decision(proposal)
    events: list[EventData] = []
    if proposal.key_sha256 is not None and proposal.carried_at is None:
        events.append(KeyCompromised(key_sha256=proposal.key_sha256, known_at=now))
    count = min(_due(proposal, now), len(proposal.next))
    events += [
        ordered(request_id(proposal.id, it.case_id), it, proposal.reason, proposal.operators, now)
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
    swept = () if proposal.key_sha256 is None else (Intent(CASCADE, CascadeOrder(key_sha256=proposal.key_sha256)),)
    return Decision(after, tuple(events), swept)


def _due(proposal: Proposal, now: datetime) -> int:
    """How many the rate allows since the last ones. After a pause at most ten minutes' worth comes at once."""
    if proposal.carried_at is None:
        return 1
    passed = min(now - proposal.carried_at, _CATCHES_UP)
    return min(int(passed / timedelta(minutes=1) * proposal.rate), MOST_AT_ONCE)


def _carried(proposal: Proposal, count: int, now: datetime) -> datetime:
    """The moment up to which the rate is used: what is less than one certificate's time is kept for the next tick."""
    if proposal.carried_at is None:
        return now
    if not count:
        return proposal.carried_at
    return max(proposal.carried_at, now - _CATCHES_UP) + count * timedelta(minutes=1) / proposal.rate


def _pause(proposal: Proposal) -> timedelta:
    return max(_TICK, timedelta(minutes=1) / proposal.rate)
