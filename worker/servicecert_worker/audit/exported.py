"""The checkpoints as they are stored and exported, and which of them are believed (B6)."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from servicecert_schemas.audit import AuditCheckpoint

from ..core.service_keys import TrustedKey
from .checkpoints import Checkpoint, is_signed


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it is stored or was exported."""

    number: int
    text: str
    key_id: str
    signature: bytes

    @classmethod
    def of(cls, event: AuditCheckpoint) -> Signed:
        return cls(event.number, event.text, event.key_id, b64decode(event.signature))


class Exported:
    """The checkpoints of the topic or of a file: by service those that its own trusted key signed for it.

    Whoever may write to the topic may write anything there, so nothing follows from the others: they are counted by
    reason in `ignored`. A copy counts once.
    """

    def __init__(self, keys: Mapping[str, TrustedKey]) -> None:
        self.ignored: Counter[str] = Counter()
        self._keys = keys
        self._signed: dict[tuple[str, int, str], Signed] = {}

    def add(self, event: AuditCheckpoint) -> None:
        """Take a checkpoint, or count it as ignored."""
        signed = Signed.of(event)
        if (reason := self._fault(event.service, signed)) is not None:
            self.ignored[reason] += 1
        else:
            self._signed.setdefault((event.service, event.number, event.text), signed)

    def _fault(self, service: str, signed: Signed) -> str | None:
        if service not in {name for key in self._keys.values() for name in key.services}:
            return "unknown-service"
        if (fault := signature_fault(service, self._keys, signed)) is not None:
            return fault.code
        try:
            checkpoint = Checkpoint.read(signed.text)
        except ValueError:
            return "unreadable"
        # The signature covers the text alone, so anybody may copy it under another number.
        return None if (checkpoint.service, checkpoint.number) == (service, signed.number) else "misnamed"

    def of(self, service: str) -> list[Signed]:
        """Return the service's checkpoints, in the order in which they were added."""
        return [signed for (name, *_), signed in self._signed.items() if name == service]


@dataclass(frozen=True, slots=True)
class SignatureFault:
    """Why a checkpoint is not believed: a stable code, and words."""

    code: str
    text: str


def signature_fault(service: str, keys: Mapping[str, TrustedKey], each: Signed) -> SignatureFault | None:
    """Return why a checkpoint is not believed, or None."""
    trusted = keys.get(each.key_id)
    if trusted is None:
        return SignatureFault("unknown-key", "no trusted key signed it")
    if service not in trusted.services:
        others = " and ".join(sorted(trusted.services))
        return SignatureFault("key-of-another-service", f"the key of {others} signed it")
    if not is_signed(each.text, each.signature, trusted.key):
        return SignatureFault("invalid-signature", "the signature is invalid")
    return None
