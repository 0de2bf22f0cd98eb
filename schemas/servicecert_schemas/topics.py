"""The topic catalogue: names, keys, partitions, retention, writers and readers."""

import re
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from .account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from .application import ApplicationSubmitted, ApplicationSupplemented, ApplicationWithdrawn, CsrAttached
from .broker import Principal, topic_settings
from .case import CaseChanged, EventRefused
from .certificate import (
    AcceptedWithdrawn,
    ApplicationAccepted,
    CertificateIntended,
    CertificateIssued,
    CertificateVoided,
    IssuingRefused,
    IssuingStopped,
)
from .deadline import DeadlineWarned
from .event import CaseEvent, EventData
from .mail import MailBounced, MailGivenUp, MailHandedOver, MailRefused
from .operators import AuditCheckpoint, RecordParked
from .register import RegisterEntry
from .responder import ResponderCertified, ResponderRequested
from .revocation import (
    CertificateRevoked,
    CrlPublished,
    KeyCompromised,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
    StandingChanged,
    StandingsCounted,
)
from .values import personal_fields

MAX_EVENT_BYTES = 262_144
"""The largest value of a record that a service reads. A larger one is parked unread."""
MAX_JOURNAL_BYTES = 8 * 1024 * 1024
"""The largest value of a record of a journal: all that a service's tables hold of one key, at least."""

JOURNAL_KEPT = timedelta(days=35)
"""The retention of journals: longer than the oldest copy of a database that is restored."""

_MOST_KEPT = timedelta(days=365)
"""The longest retention of what may be personal data: years shorter than the time until a case is erased (E3)."""

_CASE = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IDENTIFIER = "[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}"
_SHA256 = "[0-9a-f]{64}"
_JOURNAL = ".journal"

SERVICES = ("intake", "issuer", "revoker", "notifier")


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic. `retention` is None if records are kept for ever (if compacted: the last one of each key).

    `key_form` is the pattern of its keys. What waits behind a record that is no event follows from its key, so a writer
    of one topic cannot name a key of another one (F1). Services sign what they write (F2). `unsigned` are the events
    that others write to a topic of a service. `most_bytes` is what a batch of records may come to before the broker
    stores it, `compressed` or not. Raises ValueError for a topic that would keep personal data (E3).
    """

    name: str
    key: str
    events: tuple[type[EventData], ...]
    writers: tuple[Principal, ...]
    readers: tuple[Principal, ...]
    partitions: int = 12
    retention: timedelta | None = timedelta(days=90)
    compacted: bool = False
    key_form: str = _CASE
    unsigned: tuple[type[EventData], ...] = ()
    most_bytes: int = 1_048_576
    compressed: bool = False

    def __post_init__(self) -> None:
        for event, fields in self.personal.items():
            if not self._lets_go(event):
                raise ValueError(
                    f"{self.name} keeps {event.TYPE}, where {', '.join(fields)} may be personal data, and no erasing"
                    f" reaches it: keep it for {_MOST_KEPT.days} days, or mark what names nobody with NAMES_NOBODY."
                )

    @property
    def personal(self) -> dict[type[EventData], list[str]]:
        """The events that may hold personal data, with the fields that may (E3)."""
        return {event: fields for event in self.events if (fields := personal_fields(event))}

    def _lets_go(self, event: type[EventData]) -> bool:
        """Return whether an event leaves the topic by its retention, or when its case is erased."""
        if self.compacted:
            return Principal.ERASER in self.writers and issubclass(event, CaseEvent)
        return self.retention is not None and self.retention <= _MOST_KEPT

    def has_key(self, key: str) -> bool:
        return re.fullmatch(self.key_form, key) is not None

    def signers(self, event_type: str) -> tuple[str, ...]:
        """Return the services of which one must have signed an event of this type; none if others write it (F2).

        A type that does not belong here is nobody's where others write too: their mistake is told as such.
        """
        signed = (unversioned(event.TYPE) for event in self.events if event not in self.unsigned)
        return self.services if not self.unsigned or unversioned(event_type) in signed else ()

    @property
    def can_grow(self) -> bool:
        """Whether it may get more partitions: a key then has older records in one partition, and newer ones in another.

        A topic that is kept for ever may not. Readers begin at its first record and would read the two in any order,
        and what compaction and erasing (E3) remove in the new partition would stay in the old one.
        """
        return self.partitions > 1 and self.retention is not None

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(writer for writer in self.writers if writer in SERVICES)

    @property
    def config(self) -> dict[str, str]:
        settings = topic_settings(self.retention, compacted=self.compacted)
        codec = {"compression.type": "zstd"} if self.compressed else {}
        return {**settings, **codec, "max.message.bytes": str(self.most_bytes)}


APPLICATIONS = Topic(
    "applications",
    key="case",
    events=(ApplicationSubmitted, ApplicationSupplemented, CsrAttached, ApplicationWithdrawn),
    writers=(Principal.E_SERVICE, Principal.CANARY),
    readers=(Principal.INTAKE,),
)
# Kept for ever but not compacted: an account's members are events of one key, and compaction would keep only the last.
ACCOUNTS = Topic(
    "accounts",
    key="account",
    events=(AccountOpened, AccountMemberAdded, AccountMemberRemoved),
    writers=(Principal.E_SERVICE, Principal.CANARY),
    readers=(Principal.INTAKE, Principal.REVOKER, Principal.CANARY),
    retention=None,
    key_form=_IDENTIFIER,
)
REGISTERS = Topic(
    "registers",
    key="register entry",
    events=(RegisterEntry,),
    writers=(Principal.REGISTERS_LOADER,),
    readers=(Principal.INTAKE,),
    retention=None,
    compacted=True,
    key_form=_IDENTIFIER,
)
ACCEPTED_APPLICATIONS = Topic(
    "accepted-applications",
    key="case",
    events=(ApplicationAccepted, AcceptedWithdrawn),
    writers=(Principal.INTAKE,),
    readers=(Principal.ISSUER,),
)
# The second copy of what is signed: the issuer's database is the first (I4).
CERTIFICATE_INTENTS = Topic(
    "certificate-intents",
    key="case",
    events=(CertificateIntended,),
    writers=(Principal.ISSUER,),
    readers=(Principal.ISSUER,),
)
CERTIFICATES = Topic(
    "certificates",
    key="case",
    events=(CertificateIssued, IssuingRefused, IssuingStopped, CertificateVoided),
    writers=(Principal.ISSUER,),
    readers=(Principal.NOTIFIER, Principal.REVOKER, Principal.INTAKE, Principal.CANARY),
)
REVOCATIONS = Topic(
    "revocations",
    key="case",
    events=(RevocationRequested,),
    writers=(Principal.E_SERVICE, Principal.CANARY, Principal.REVOKER),
    readers=(Principal.REVOKER,),
    # The revoker's own requests are compared with its own tables.
    unsigned=(RevocationRequested,),
)
CERTIFICATE_STATUS = Topic(
    "certificate-status",
    key="case; of a CRL its CA and partition; of a compromised key the key",
    events=(RevocationRegistered, RevocationRefused, CertificateRevoked, CrlPublished, KeyCompromised),
    writers=(Principal.REVOKER,),
    readers=(Principal.NOTIFIER, Principal.INTAKE, Principal.ISSUER),
    key_form=f"{_CASE}|crl/{_IDENTIFIER}/[0-9]+|key/{_SHA256}",
)
# Kept for ever, not compacted: a relay that was paused may publish an older record last, which compaction would keep.
CERTIFICATE_STANDINGS = Topic(
    "certificate-standings",
    key="CA and serial number; of a count its CA",
    events=(StandingChanged, StandingsCounted),
    writers=(Principal.REVOKER,),
    readers=(Principal.OCSP_RESPONDER,),
    retention=None,
    key_form=f"{_IDENTIFIER}/[0-9a-f]+|standings/{_IDENTIFIER}",
)
OCSP_RESPONDERS = Topic(
    "ocsp-responders",
    key="environment and key of the responder",
    events=(ResponderRequested, ResponderCertified),
    writers=(Principal.OCSP_RESPONDER, Principal.REVOKER),
    readers=(Principal.REVOKER, Principal.OCSP_RESPONDER),
    partitions=1,
    retention=timedelta(days=30),
    key_form=f"ocsp/(production|test)/{_SHA256}",
    unsigned=(ResponderRequested,),
)
NOTIFICATIONS = Topic(
    "notifications",
    key="case",
    events=(MailHandedOver, MailRefused, MailGivenUp, MailBounced),
    writers=(Principal.NOTIFIER,),
    readers=(Principal.INTAKE,),
)
CASES = Topic(
    "cases",
    key="case; of a refused event its account",
    events=(CaseChanged, EventRefused),
    # What is erased leaves by a record without a value (E3).
    writers=(Principal.INTAKE, Principal.ERASER),
    readers=(Principal.E_SERVICE, Principal.CANARY, Principal.NOTIFIER),
    retention=None,
    compacted=True,
    key_form=f"{_CASE}|account/{_IDENTIFIER}",
)
# Kept for ever and never compacted: readers must notice a missing checkpoint.
AUDIT_CHECKPOINTS = Topic(
    "audit-checkpoints",
    key="service",
    events=(AuditCheckpoint,),
    writers=(Principal.INTAKE, Principal.ISSUER, Principal.REVOKER, Principal.NOTIFIER),
    readers=(Principal.AUDITOR,),
    partitions=1,
    retention=None,
    key_form=_IDENTIFIER,
)

DEADLINES = Topic(
    "deadlines",
    key="case",
    events=(DeadlineWarned,),
    writers=(Principal.INTAKE, Principal.REVOKER),
    readers=(Principal.OPERATOR, Principal.NOTIFIER),
    retention=timedelta(days=365),
)


def unversioned(event_type: str) -> str:
    """Return a type without its version: all its versions belong on the same topics."""
    return event_type.rpartition(".v")[0] or event_type


def most_bytes_in(topic: str) -> int:
    """Return how large the value of a record may be that is read from a topic, with or without a prefix."""
    return MAX_JOURNAL_BYTES if topic.endswith(_JOURNAL) else MAX_EVENT_BYTES


def parked_topic(service: str) -> Topic:
    """Return the topic with the records that a service has parked, for operators."""
    return Topic(
        f"{service}.parked",
        key="as the parked record's",
        events=(RecordParked,),
        writers=tuple(principal for principal in Principal if principal == service),
        readers=(Principal.OPERATOR,),
        partitions=1,
        retention=timedelta(days=365),
        key_form=".*",
    )


def journal_topic(service: str) -> Topic:
    """Return the topic with a service's journal: what its tables held after each change, in order."""
    principals = tuple(principal for principal in Principal if principal == service)
    return Topic(
        service + _JOURNAL,
        key="service",
        events=(),
        writers=principals,
        readers=(Principal.OPERATOR,),
        partitions=1,
        retention=JOURNAL_KEPT,
        key_form=_IDENTIFIER,
        most_bytes=MAX_JOURNAL_BYTES,
        compressed=True,
    )


CATALOGUE = (
    APPLICATIONS,
    ACCOUNTS,
    REGISTERS,
    ACCEPTED_APPLICATIONS,
    CERTIFICATE_INTENTS,
    CERTIFICATES,
    REVOCATIONS,
    CERTIFICATE_STATUS,
    CERTIFICATE_STANDINGS,
    OCSP_RESPONDERS,
    NOTIFICATIONS,
    CASES,
    DEADLINES,
    AUDIT_CHECKPOINTS,
    *(parked_topic(service) for service in SERVICES),
    *(journal_topic(service) for service in SERVICES),
)

TOPICS = MappingProxyType({topic.name: topic for topic in CATALOGUE})
"""The catalogue by name."""
FOLLOWED = (REGISTERS, ACCOUNTS, CERTIFICATE_INTENTS)
"""The topics that services read outside their groups: from the first record on, or back what they wrote."""

TOPIC_OF = MappingProxyType(
    {event.TYPE: topic for topic in CATALOGUE for event in topic.events if event is not RecordParked}
)
"""The topic of each event type, in its newest version. A parked record's event goes to the topic of its service."""
