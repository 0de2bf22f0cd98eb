"""The authority's own requests for revocation: of a compromised key's certificates, and of operators' proposals. Pure.

Each is an event on `revocations`, like a customer's, and judged like it. Its id follows from the cause and the case: a
repeat has no effect. A confirmed proposal is carried out by a number of certificates a minute, until all are requested;
after a crash it continues from the last committed turn.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid5

from servicecert_schemas.deadline import DeadlineKind
from servicecert_schemas.event import Actor, Assurance, EventData, Role
from servicecert_schemas.revocation import KeyCompromised, RevocationReason, RevocationRequested
from servicecert_schemas.values import Value
from servicecert_worker.core.decider import Deadline, Decision, Due, Happened, Intent
from servicecert_worker.core.time_limits import Clock

from .status import TAKES_EFFECT_WITHIN, check_marks

CASCADE = "cascade"
"""The act that finds the other certificates of a compromised key."""

CONFIRMATION_CLOCK = "confirmation-clock"
"""The deadline at which the clock of a stopped cascade is checked next."""

FIRST_CHECK = TAKES_EFFECT_WITHIN / 2
"""How long after the proposal its clock is checked first: at the first mark."""

CARRY_OUT = "carry-out"
"""The deadline at which the next part of a proposal is requested."""

MOST_AT_ONCE = 500
"""How many certificates one turn orders at most."""

_TICK = timedelta(seconds=1)
_CATCHES_UP = timedelta(minutes=10)
_KEYS = "proposal/"
_REVOKER = "revoker"
_FOLLOWING = UUID("5d6f2b0a-8f44-4c0b-9a7e-2f1c3f1b7a10")


@dataclass(frozen=True, slots=True)
class Item:
    """A certificate that the authority revokes. `serial` is lower-case hexadecimal."""

    case_id: UUID
    account_id: str
    serial: str


class CascadeOrder(Value):
    """An order to find the valid certificates of a key."""

    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256",)

    key_sha256: str


class CascadeFound(Value):
    """The valid certificates of a key. If `stopped` there are too many: none are given, an operator must confirm."""

    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256", "stopped")

    key_sha256: str
    others: tuple[Item, ...] = ()
    stopped: bool = False

    @classmethod
    def of(cls, key_sha256: str, others: tuple[Item, ...], most: int) -> "CascadeFound":
        stopped = len(others) > most
        return cls(key_sha256=key_sha256, others=() if stopped else others, stopped=stopped)


def cascade_request(key_sha256: str, item: Item, now: datetime) -> RevocationRequested:
    """Return the request that follows from a compromised key (D6). The same key and case give the same request id."""
    id = uuid5(_FOLLOWING, f"{key_sha256}/{item.case_id}")
    return authority_request(id, item, RevocationReason.KEY_EXPOSED, _REVOKER, now)


def authority_request(id: UUID, item: Item, reason: RevocationReason, by: str, now: datetime) -> RevocationRequested:
    """Return a request by the authority's operators or by the revoker itself."""
    return RevocationRequested(
        case_id=item.case_id,
        actor=Actor(user_id=by, account_id=item.account_id, assurance=Assurance.HIGH, role=Role.OPERATOR),
        request_id=id,
        serial_as_typed=item.serial,
        reason=reason,
        sent_at=now,
    )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal and its progress. `rate` is certificates a minute, `next` the first of those left.

    `operators` is None until a second one confirms it. `first_case` is set for a stopped cascade while some of its
    certificates are valid and not revoked: it is the first one's.
    """

    id: UUID
    reason: RevocationReason
    operators: str | None
    key_sha256: str | None
    rate: int
    total: int
    ordered: int
    carried_at: datetime | None
    proposed_at: datetime
    next: tuple[Item, ...]
    done_at: datetime | None = None
    first_case: UUID | None = None


def proposal_key(id: UUID) -> str:
    """Return the key of a proposal. No case has such a key."""
    return f"{_KEYS}{id}"


def proposal_of(key: str) -> UUID | None:
    """Return the proposal whose key it is, None for any other key."""
    return UUID(key.removeprefix(_KEYS)) if key.startswith(_KEYS) else None


def request_id(proposal: UUID, case_id: UUID | str) -> UUID:
    return uuid5(proposal, str(case_id))


def decide(proposal: Proposal, happened: Happened, _: object, now: datetime) -> Decision[Proposal]:
    if isinstance(happened, Due) and happened.kind == CARRY_OUT:
        return carry_out(proposal, now)
    if isinstance(happened, Due) and happened.kind == CONFIRMATION_CLOCK:
        return check_confirmation(proposal, now)
    return Decision(proposal)


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
    count, carried_at = _due(proposal, now)
    events += [
        authority_request(request_id(proposal.id, it.case_id), it, proposal.reason, operators, now)
        for it in proposal.next[:count]
    ]
    so_far = proposal.ordered + count
    done = so_far == proposal.total
    after = replace(
        proposal, ordered=so_far, carried_at=carried_at, next=proposal.next[count:], done_at=now if done else None
    )
    if not done:
        pause = max(_TICK, timedelta(minutes=1) / proposal.rate)
        return Decision(after, tuple(events), deadlines=(Deadline(CARRY_OUT, now + pause),))
    cascade = () if proposal.key_sha256 is None else (Intent(CASCADE, CascadeOrder(key_sha256=proposal.key_sha256)),)
    return Decision(after, tuple(events), cascade)


def _due(proposal: Proposal, now: datetime) -> tuple[int, datetime]:
    """Return how many the rate allows since the last ones, and the time up to which the rate is used then.

    A pause adds at most ten minutes' worth. Less than one certificate's time counts for the next tick.
    """
    if proposal.carried_at is None:
        return min(1, len(proposal.next)), now
    passed = min(now - proposal.carried_at, _CATCHES_UP)
    count = min(int(passed / timedelta(minutes=1) * proposal.rate), MOST_AT_ONCE, len(proposal.next))
    since = max(proposal.carried_at, now - _CATCHES_UP)
    return count, since + count * timedelta(minutes=1) / proposal.rate if count else proposal.carried_at


def check_confirmation(proposal: Proposal, now: datetime) -> Decision[Proposal]:
    """Warn of the last mark that has passed, alarm after the end, and wait for the next mark, while something waits.

    A person confirms or drops a stopped cascade, and its certificates are revoked, within 24 hours from the proposal
    (D6). Each mark looks at what is left: nothing of a dropped proposal, else the certificates that are not revoked and
    have not expired. So the clock ends by itself, however the rest is done.
    """
    if proposal.first_case is None:
        return Decision(proposal)
    clock = Clock(DeadlineKind.CONFIRMATION, proposal.proposed_at, proposal.proposed_at + TAKES_EFFECT_WITHIN)
    return Decision(proposal, *check_marks(clock, CONFIRMATION_CLOCK, proposal.first_case, now, proposal.id))
