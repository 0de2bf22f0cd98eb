"""Signed heads of a service's audit chains (topic `audit-checkpoints`): they reveal a rewritten history."""

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from .event import EventData
from .personal import NAMES_NOBODY
from .values import Count, Identifier, Sha256


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
