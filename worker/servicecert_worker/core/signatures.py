"""What a service publishes is signed by it, and verified by every reader of ours before anything follows from it (F2).

The turn signs what it decided, so that a row of the outbox that no turn wrote has no signature. The topics' catalogue
says whose signature an event needs.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from servicecert_schemas.codec import Headers, Record, Undecodable
from servicecert_schemas.event import Envelope
from servicecert_schemas.headers import SIGNATURE, SIGNATURE_FORM, headers_of, signed_bytes
from servicecert_schemas.topics import TOPICS

from .clock import Clock, machine_clock
from .service_keys import TrustedKey, TrustedKeys, key_id

UNSIGNED = "unsigned"
WRONG_SIGNATURE = "wrong-signature"
UNTRUSTED = frozenset((UNSIGNED, WRONG_SIGNATURE))
"""The reasons why a record is not its writer's. Its key and its id are then an outsider's words."""

_ID_DIGITS = 16
_FORM = re.compile(SIGNATURE_FORM.encode())
_TYPE, _SOURCE = "ce_type", "ce_source"


class Signer:
    """Signs a service's events with its key."""

    def __init__(self, service: str, key: Ed25519PrivateKey) -> None:
        self.source = f"/{service}"
        self._key = key
        self._id = key_id(key.public_key())[:_ID_DIGITS]

    def sign(
        self, topic: str, key: str, id: UUID, type: str, payload: bytes, at: datetime, traceparent: str | None = None
    ) -> str:
        """Return the signature of an event as the relay will publish it, as in its header."""
        headers = headers_of(Envelope(id, self.source, type, key, at, key, traceparent))
        return self._sign(topic, key.encode(), headers, payload)

    def signed(self, record: Record) -> Record:
        signature = self._sign(record.topic, record.key, record.headers, record.value)
        return replace(record, headers=[*record.headers, (SIGNATURE, signature.encode())])

    def _sign(self, topic: str, key: bytes, headers: Headers, value: bytes) -> str:
        signature = self._key.sign(signed_bytes(topic, key, headers, value))
        return f"{self._id}:{b64encode(signature).decode()}"


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies records with the pinned keys that have not ended by the clock.

    `prefix` is what the installation puts before the topics' names.
    """

    keys: TrustedKeys
    prefix: str = ""
    clock: Clock = machine_clock

    def verify(self, topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bool:
        """Return whether a service has signed the record; False for one that nobody needs to sign.

        Raise `Undecodable`, with a code of `UNTRUSTED`, unless a service that may write the event has signed it, and
        for a signature that is none of them.
        """
        name = topic.removeprefix(self.prefix)
        entry = TOPICS.get(name)
        signatures = [raw for header, raw in headers if header == SIGNATURE]
        signers = () if entry is None else entry.services if signatures else entry.signers(_last(headers, _TYPE))
        if not signers:
            return False
        self._verify_one_of(signers, signatures, headers, signed_bytes(name, key, headers, value))
        return True

    def is_from(self, service: str, topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bool:
        """Return whether this service has signed the record, whoever may write to the topic."""
        signatures = [raw for header, raw in headers if header == SIGNATURE]
        try:
            signed = signed_bytes(topic.removeprefix(self.prefix), key, headers, value)
            self._verify_one_of((service,), signatures, headers, signed)
        except Undecodable:
            return False
        return True

    def _verify_one_of(
        self, signers: Sequence[str], signatures: Sequence[bytes | None], headers: Headers, signed: bytes
    ) -> None:
        """Raise `Undecodable` unless one of the signers has signed, in its own name: its source is `/it` or `/it/…`."""
        if not signatures:
            raise Undecodable(UNSIGNED, f"The record has no signature of {_any_of(signers)}.")
        form = _FORM.fullmatch(signatures[0] or b"") if len(signatures) == 1 else None
        if form is None:
            raise Undecodable(WRONG_SIGNATURE, f"The header {SIGNATURE} is malformed.")
        id = form[1].decode()
        pinned = next((each for full, each in self.keys.items() if full.startswith(id)), None)
        if pinned is None or pinned.services.isdisjoint(signers):
            text = f"The record is signed by the key {id}, which is not pinned as one of {_any_of(signers)}."
            raise Undecodable(WRONG_SIGNATURE, text)
        if pinned.not_after < self.clock():
            raise Undecodable(WRONG_SIGNATURE, f"The record is signed by the key {id}, which has ended.")
        source = f"{_last(headers, _SOURCE)}/"
        if not any(source.startswith(f"/{each}/") for each in pinned.services.intersection(signers)):
            text = f"The record is signed by the key {id} of {_any_of(sorted(pinned.services))} in another's name."
            raise Undecodable(WRONG_SIGNATURE, text)
        _verify(pinned, b64decode(form[2]), signed)


def _verify(pinned: TrustedKey, signature: bytes, signed: bytes) -> None:
    """Verify by libsodium, which takes half of OpenSSL's time. Raises `Undecodable`."""
    try:
        crypto_sign_open(signature + signed, pinned.key.public_bytes_raw())
    except BadSignatureError:
        raise Undecodable(WRONG_SIGNATURE, "The signature is not that of this record.") from None


def _last(headers: Headers, name: str) -> str:
    raw = next((raw for each, raw in reversed(headers) if each == name and raw is not None), b"")
    return raw.decode(errors="replace")


def _any_of(services: Sequence[str]) -> str:
    return " or ".join(services)
