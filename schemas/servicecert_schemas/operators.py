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
    """A record was parked, with origin and reason. `culprit` is False if it waits for another one of its key.

    With a `last_offset` it stands for all that is no event from `offset` up to there.
    """

    TYPE: ClassVar[str] = "servicecert.record.parked.v1"

    service: Identifier
    event_id: UUID
    record_key: Annotated[str, Field(max_length=1_000)]
    topic: Identifier
    partition: Count
    offset: Number
    last_offset: Number | None = None
    culprit: bool
    reason: Identifier
    error: Annotated[str, Field(max_length=2_000)]
    attempts: Count
    first_at: Instant
    last_at: Instant

    def key(self) -> str:
        return self.record_key


class AuditCheckpoint(EventData):
    """The heads of the chains that grew since the last checkpoint. `text` is the signed JSON, without personal data.

    `key_id` is the SHA-256 of the signing key's SubjectPublicKeyInfo (Ed25519), `signature` is base64.
    """

    TYPE: ClassVar[str] = "servicecert.audit.checkpoint.v1"

    service: Identifier
    number: Count
    text: Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=100_000), NAMES_NOBODY]
    key_id: Sha256
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$", max_length=88), NAMES_NOBODY]

    def key(self) -> str:
        return self.service
