"""Keys that are never certified again (topic `certificate-status`)."""

from typing import ClassVar

from .event import EventData
from .values import Instant, Sha256


class KeyCompromised(EventData):
    """A private key is exposed or suspected to be exposed: the key is blocked for ever (D6).

    `key_sha256` is the SHA-256 of the SubjectPublicKeyInfo. The event is repeated if the key is reported again.
    """

    TYPE: ClassVar[str] = "servicecert.key.compromised.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256",)

    key_sha256: Sha256
    known_at: Instant

    def key(self) -> str:
        return f"key/{self.key_sha256}"
