"""The topic catalogue: names, keys, partitions, retention, writers and readers."""

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from .account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from .application import ApplicationSubmitted, ApplicationSupplemented, ApplicationWithdrawn, CsrAttached
from .audit import AuditCheckpoint
from .case import CaseChanged, EventRefused
from .certificate import (
    AcceptedWithdrawn,
    ApplicationAccepted,
    CertificateIssued,
    CertificateVoided,
    IssuingRefused,
    IssuingStopped,
)
from .compromise import KeyCompromised
from .deadline import DeadlineWarned
from .event import EventData
from .mail import MailBounced, MailGivenUp, MailHandedOver, MailRefused
from .parked import RecordParked
from .principals import Principal
from .register import RegisterEntry
from .responder import ResponderCertified, ResponderRequested
from .revocation import (
    CertificateRevoked,
    CrlPublished,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
    StandingChanged,
)

MAX_EVENT_BYTES = 262_144
"""The largest value of a record that a service reads. A larger one is parked unread."""


def _milliseconds(period: timedelta) -> str:
    return str(period // timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic. `retention` is None if records are kept for ever (if compacted: the last one of each key)."""

    name: str
    key: str
    events: tuple[type[EventData], ...]
    writers: tuple[Principal, ...]
    readers: tuple[Principal, ...]
    partitions: int = 12
    retention: timedelta | None = timedelta(days=90)
    compacted: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Return the topic's settings, with Kafka's names.

        The index files are small, because a broker preallocates them for each segment.
        """
        compaction = {
            # Erased data leave the disk within a week (E3). Tombstones stay as long as topics, for slow readers.
            "max.compaction.lag.ms": _milliseconds(timedelta(days=7)),
            "delete.retention.ms": _milliseconds(timedelta(days=90)),
        }
        return {
            **(compaction if self.compacted else {}),
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": "-1" if self.retention is None else _milliseconds(self.retention),
            "segment.index.bytes": "1048576",
            "segment.bytes": "268435456",
            "max.message.bytes": "1048576",
            "min.insync.replicas": "1",
            "message.timestamp.type": "CreateTime",
        }


APPLICATIONS = Topic(
    "applications",
    key="case",
    events=(ApplicationSubmitted, ApplicationSupplemented, CsrAttached, ApplicationWithdrawn),
    writers=(Principal.E_SERVICE,),
    readers=(Principal.INTAKE,),
)
# Kept for ever but not compacted: an account's members are events of one key, and compaction would keep only the last.
ACCOUNTS = Topic(
    "accounts",
    key="account",
    events=(AccountOpened, AccountMemberAdded, AccountMemberRemoved),
    writers=(Principal.E_SERVICE,),
    readers=(Principal.INTAKE, Principal.REVOKER),
    retention=None,
)
REGISTERS = Topic(
    "registers",
    key="register entry",
    events=(RegisterEntry,),
    writers=(Principal.REGISTERS_LOADER,),
    readers=(Principal.INTAKE,),
    retention=None,
    compacted=True,
)
ACCEPTED_APPLICATIONS = Topic(
    "accepted-applications",
    key="case",
    events=(ApplicationAccepted, AcceptedWithdrawn),
    writers=(Principal.INTAKE,),
    readers=(Principal.ISSUER,),
)
CERTIFICATES = Topic(
    "certificates",
    key="case",
    events=(CertificateIssued, IssuingRefused, IssuingStopped, CertificateVoided),
    writers=(Principal.ISSUER,),
    readers=(Principal.NOTIFIER, Principal.REVOKER, Principal.INTAKE),
)
REVOCATIONS = Topic(
    "revocations",
    key="case",
    events=(RevocationRequested,),
    writers=(Principal.E_SERVICE, Principal.REVOKER),
    readers=(Principal.REVOKER,),
)
CERTIFICATE_STATUS = Topic(
    "certificate-status",
    key="case; of a CRL its CA and partition; of a compromised key the key",
    events=(RevocationRegistered, RevocationRefused, CertificateRevoked, CrlPublished, KeyCompromised),
    writers=(Principal.REVOKER,),
    readers=(Principal.NOTIFIER, Principal.INTAKE, Principal.ISSUER),
)
# Kept for ever, not compacted: a relay that was paused may publish an older record last, which compaction would keep.
CERTIFICATE_STANDINGS = Topic(
    "certificate-standings",
    key="CA and serial number",
    events=(StandingChanged,),
    writers=(Principal.REVOKER,),
    readers=(Principal.OCSP_RESPONDER,),
    retention=None,
)
OCSP_RESPONDERS = Topic(
    "ocsp-responders",
    key="environment and key of the responder",
    events=(ResponderRequested, ResponderCertified),
    writers=(Principal.OCSP_RESPONDER, Principal.REVOKER),
    readers=(Principal.REVOKER, Principal.OCSP_RESPONDER),
    partitions=1,
    retention=timedelta(days=30),
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
    readers=(Principal.E_SERVICE, Principal.NOTIFIER),
    retention=None,
    compacted=True,
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
)

DEADLINES = Topic(
    "deadlines",
    key="case",
    events=(DeadlineWarned,),
    writers=(Principal.INTAKE, Principal.REVOKER),
    readers=(Principal.OPERATOR, Principal.NOTIFIER),
    retention=timedelta(days=365),
)

SERVICES = ("intake", "issuer", "revoker", "notifier")


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
    )


CATALOGUE = (
    APPLICATIONS,
    ACCOUNTS,
    REGISTERS,
    ACCEPTED_APPLICATIONS,
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
)

FOLLOWED = (REGISTERS, ACCOUNTS)
"""The topics that services read from their first record on, outside their groups."""

TOPIC_OF = MappingProxyType(
    {event.TYPE: topic for topic in CATALOGUE for event in topic.events if event is not RecordParked}
)
"""The topic of each event type. A parked record's event goes to the topic of its service."""
