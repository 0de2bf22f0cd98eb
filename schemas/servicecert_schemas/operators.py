"""What operators and auditors read: parked records, and signed heads of audit chains.

A parked record may hold personal data. It stays in the service's database, where operators replay, discard and erase
it.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints

from .event import EventData
from .values import NAMES_NOBODY, Count, Identifier, Instant, Number, Sha256


class RecordParked(EventData):
    """Published when a record is parked, by the service that reads it.

    With a `last_offset` it stands for all that is no event from `offset` up to there.
    """

    TYPE: ClassVar[str] = "servicecert.record.parked.v1"

    service: Identifier
    """The service that parked it."""
    event_id: UUID
    """The `ce_id`, or one made from the place if it has none."""
    record_key: Annotated[str, Field(max_length=1_000)]
    """The key of the parked record."""
    topic: Identifier
    """The topic of the parked record."""
    partition: Count
    """The partition of the topic."""
    offset: Number
    """The offset of the record, or of the first of several."""
    last_offset: Number | None = None
    """The offset of the last of several; null of a single one."""
    culprit: bool
    """False if it only waits for another one of its key."""
    reason: Identifier
    """Why it was parked, such as wrong-schema."""
    error: Annotated[str, Field(max_length=2_000)]
    """The invalid fields and what is wrong, without values."""
    attempts: Count
    """How many times it was processed."""
    first_at: Instant
    """When it first failed."""
    last_at: Instant
    """When it last failed."""

    def key(self) -> str:
        return self.record_key


class AuditCheckpoint(EventData):
    """Published when audit chains have grown since the last checkpoint: their heads, signed (B6)."""

    TYPE: ClassVar[str] = "servicecert.audit.checkpoint.v1"

    service: Identifier
    """The service whose chains they are."""
    number: Count
    """Grows by one with each checkpoint of the service."""
    text: Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=100_000), NAMES_NOBODY]
    """The signed JSON: the heads of the chains that grew. No personal data."""
    key_id: Sha256
    """The SHA-256 of the signing key's SubjectPublicKeyInfo."""
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$", max_length=88), NAMES_NOBODY]
    """The Ed25519 signature over `text` in base64."""

    def key(self) -> str:
        return self.service
