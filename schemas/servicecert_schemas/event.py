"""The base of all events: data of one type, in a CloudEvents 1.0 envelope; and the ids of the canary's cases."""

import re
import secrets
from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from .open_list import Open
from .values import AccountId, UserId, Value


class EventData(Value):
    """The data of an event. `TYPE` is the CloudEvents type, which ends in the version.

    `AUDITED` names the fields that the audit chain stores for ever (B6): never one with personal data (E3).
    `MOST_STRUCTURE` bounds its JSON, unknown fields included, before it is read (F5): `structure_of` has the measure.
    """

    TYPE: ClassVar[str]
    AUDITED: ClassVar[tuple[str, ...]] = ()
    MOST_STRUCTURE: ClassVar[int] = 4_096

    @abstractmethod
    def key(self) -> str:
        """Return the key of the event's record. Events of one key stay in order."""
        ...

    def replaces(self, earlier: "EventData") -> bool:  # noqa: ARG002  -- for those that do
        """Return whether this event says all that an earlier one of its key said, which then need not be published."""
        return False

    def own_trace(self) -> str | None:
        """Return the name of the trace that this event begins; None if it belongs to that of its cause, or its key."""
        return None


class CaseEvent(EventData):
    """An event of one case. The case is the key, so that its events stay in order."""

    case_id: UUID
    """The case, a UUID of the e-service: the record's key."""

    def key(self) -> str:
        return str(self.case_id)


class Assurance(StrEnum):
    """The level of a user's authentication (eIDAS, Regulation (EU) 910/2014 article 8).

    Closed: eIDAS names these levels, and an unknown level cannot be ranked.
    """

    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"


class Role(StrEnum):
    """The capacity in which a user acts for an account.

    Open: an unknown role may do nothing.
    """

    COLLEAGUE = "colleague"
    TECHNICAL_PARTNER = "technical-partner"
    TECHNICAL_CONTACT = "technical-contact"
    OPERATOR = "operator"


class Actor(Value):
    """The user who acted, and for which account, as the e-service asserts (A2)."""

    user_id: UserId
    account_id: AccountId
    """The account that the user acted for."""
    assurance: Assurance
    role: Open[Role]
    """The role as the e-service claims it. What counts is that of the membership (A3)."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The CloudEvents 1.0 attributes of one event.

    `subject` is the case or another subject, `partitionkey` the record's key, `traceparent` the W3C Trace Context.
    `signature` is what a service adds when it publishes.
    """

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    partitionkey: str
    traceparent: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A `record` of a followed topic: key, data (None: deleted), and when it happened, by its producer's clock."""

    key: str
    data: EventData | None
    time: datetime
    record: Any = field(default=None, compare=False, repr=False)


_FIRST = 0xCA4A_4900_CA4A
"""The first 48 bits of the ids of the canary's cases: every process tells them from the key alone, and figures of the
business leave them out. No other id is one of these: the e-service draws its own as version 4 or 7."""

_KEY = re.compile(rf"{_FIRST >> 16:08x}-{_FIRST & 0xFFFF:04x}-8[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}")


def new_case_id() -> UUID:
    """Return a new id of theirs: a UUID of version 8 (RFC 9562 section 5.8), its first part fixed, 74 bits random."""
    random = secrets.randbits(74)
    return UUID(int=_FIRST << 80 | 8 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def is_canary(key: str) -> bool:
    """Return whether a record's key, or a case id as text, is that of a case of the canary."""
    return _KEY.fullmatch(key) is not None
