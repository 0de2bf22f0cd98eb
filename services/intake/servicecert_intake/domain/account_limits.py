"""How much one account may have open and send in an hour, so that it cannot crowd out the others (F5).

An event over a limit changes nothing and is answered: it can be sent again later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from servicecert_schemas.application import ApplicationEvent, ApplicationSubmitted
from servicecert_schemas.membership import Accounts, role_of
from servicecert_worker.core.decider import Event

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most unfinished applications of an account, and the most events that its users may send in an hour."""

    unfinished: int = 10_000
    events: int = 10_000


@dataclass(frozen=True, slots=True)
class Load:
    """What an account had before an event: unfinished applications, and events that were sent in the same hour."""

    hour: datetime
    events: int = 0
    unfinished: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """An event that counts: whose it is, when it was sent, and whether it opens a case."""

    event: UUID
    account: str
    hour: datetime
    opens: bool


def counted(events: Sequence[Event], cases: frozenset[str], accounts: Accounts, now: datetime) -> Iterator[Counted]:
    """Yield the customers' events of a turn that loaded these `cases`, in order.

    The hour is that in which an event was sent: after an outage, the events of many hours come at once. Users who were
    not invited count apart, so that they cannot use up the account's hour.
    """
    for event in events:
        data = event.data
        if not isinstance(data, ApplicationEvent):
            continue
        sent = min(event.time, now)
        invited = role_of(data.actor, data.case_id, accounts, sent) is not None
        account = data.actor.account_id if invited else f"{data.actor.account_id} uninvited"
        opens = isinstance(data, ApplicationSubmitted) and event.key not in cases
        yield Counted(event.id, account, sent.replace(minute=0, second=0, microsecond=0), opens)


def loads(items: Sequence[Counted], stored: Mapping[tuple[str, datetime], Load]) -> Mapping[UUID, Load]:
    """Return each event's load: what is stored, and what comes before it in the same turn."""
    found: dict[UUID, Load] = {}
    before = dict(stored)
    opened: dict[str, int] = {}
    for each in items:
        load = before[each.account, each.hour]
        found[each.event] = Load(each.hour, load.events, load.unfinished + opened.get(each.account, 0))
        before[each.account, each.hour] = Load(each.hour, load.events + 1, load.unfinished)
        opened[each.account] = opened.get(each.account, 0) + each.opens
    return found
