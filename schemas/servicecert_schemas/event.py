"""What every event is: data of one type, in an envelope of CloudEvents 1.0."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from .values import Identifier, UserId, Value


class EventData(Value):
    """The data of an event. `TYPE` is the CloudEvents type and ends in the version.

    `AUDITED` names the fields that the audit chain repeats for ever (B6): never one that could tell of a person (E3).
    """

    TYPE: ClassVar[str]
    AUDITED: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def key(self) -> str:
        """The key of the record that carries the event: what its order is kept by."""
        ...


class CaseEvent(EventData):
    """An event of one case. The case is its key, so that all that happens to a case stays in order."""

    case_id: UUID

    def key(self) -> str:
        return str(self.case_id)


class Assurance(StrEnum):
    """How strongly a user was authenticated (eIDAS, Regulation (EU) 910/2014 article 8)."""

    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"


class Role(StrEnum):
    """In which capacity a user acts for an account."""

    COLLEAGUE = "colleague"
    TECHNICAL_PARTNER = "technical-partner"
    TECHNICAL_CONTACT = "technical-contact"
    OPERATOR = "operator"


class Actor(Value):
    """Who acted, for which account, as the e-service asserts it (A2)."""

    user_id: UserId
    account_id: Identifier
    assurance: Assurance
    role: Role


@dataclass(frozen=True, slots=True)
class Envelope:
    """The CloudEvents 1.0 attributes of one event.

    `subject` is the case, or whatever else the event is about; `partitionkey` is the record's key; `traceparent` is W3C trace context.
    """

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    partitionkey: str
    traceparent: str | None = None
