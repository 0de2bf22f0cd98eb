"""What is known beside a case: registers, accounts, key records, and how much an account has open and sends in an hour.

An account has limits, so that it cannot crowd out the others (F5): an event over one changes nothing and is answered,
it can be sent again later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.account import AccountEvent
from servicecert_schemas.application import ApplicationEvent, ApplicationSubmitted
from servicecert_schemas.event import Change
from servicecert_schemas.membership import MOST_ACCOUNTS, NO_ACCOUNTS, Accounts, accounts_after, role_of
from servicecert_worker.core.decider import Event

from .registers.snapshot import MOST_ENTRIES, NO_REGISTERS, Registers
from .registers.snapshot import apply as apply_entries
from .rules.application import KeyRecord

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
class Knowledge:
    """Snapshot of registers and accounts, and what a turn reads from the tables.

    `keys` are the records, by SHA-256, of the keys in the turn's requests (A4). `loads` are those of accounts, by event
    of the turn, and `limits` what they may be (F5). `heard` is up to when registers and accounts have been read.
    """

    registers: Registers = NO_REGISTERS
    accounts: Accounts = field(default_factory=lambda: NO_ACCOUNTS)
    keys: Mapping[str, KeyRecord] = field(default_factory=lambda: MappingProxyType({}))
    loads: Mapping[UUID, Load] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
    heard: datetime | None = None


NOTHING_KNOWN = Knowledge()


def apply(
    known: Knowledge, changes: Sequence[Change], most_entries: int = MOST_ENTRIES, most_accounts: int = MOST_ACCOUNTS
) -> Knowledge:
    """Return the snapshot after changes. Unchanged parts stay the same objects."""
    account_changes = [change for change in changes if isinstance(change.data, AccountEvent)]
    register_changes = [(change.key, change.data) for change in changes if not isinstance(change.data, AccountEvent)]
    return Knowledge(
        apply_entries(known.registers, register_changes, most_entries) if register_changes else known.registers,
        accounts_after(known.accounts, account_changes, most_accounts) if account_changes else known.accounts,
    )


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
