"""Signed checkpoints join the audit chains of a service's workers and attest their heads (B6).

The leader makes one at intervals if a chain grew. It names the new heads and the previous checkpoint, is signed with a
key that the database's administrator does not have, and is exported to the topic `audit-checkpoints`. `Exported` has
those of the topic that are believed.
"""

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self
from uuid import UUID, uuid5

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from servicecert_schemas.operators import AuditCheckpoint
from servicecert_schemas.topics import AUDIT_CHECKPOINTS

from ..core.service_keys import TrustedKey, key_id
from ..core.signatures import Signer
from ..storage import QUERIES
from ..storage.outbox import publish
from .chain import Head

# The key also signs events: nothing that is signed as one counts as the other.
_PURPOSE = b"servicecert checkpoint v1\n"
_CHECKPOINT = uuid5(UUID(int=0), "servicecert.audit.checkpoint")
MAX_HEADS = 500
"""The most chains that one checkpoint names; the next one names the rest."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's content. `previous` is the SHA-256 of the previous checkpoint's text, empty for the first."""

    service: str
    number: int
    at: datetime
    previous: str
    heads: Mapping[UUID, Head]

    def text(self) -> str:
        """Return the text to sign: JSON on one line."""
        heads = {str(chain): [head.seq, head.hash.hex()] for chain, head in self.heads.items()}
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        facts = {"service": self.service, "number": self.number, "at": at, "previous": self.previous, "heads": heads}
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse a text. Raises `ValueError` if it is not a checkpoint's, whatever it is."""
        try:
            facts = json.loads(text)
            heads = {UUID(chain): _head(*head) for chain, head in facts["heads"].items()}
            return cls(
                str(facts["service"]),
                int(facts["number"]),
                datetime.fromisoformat(facts["at"]),
                str(facts["previous"]),
                heads,
            )
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError("is not a checkpoint") from error


def _head(seq: object, hash: object) -> Head:
    if not (isinstance(seq, int) and 0 < seq < 2**63 and isinstance(hash, str) and len(hash) == 64):
        raise ValueError("is not the head of a chain")
    return Head(seq, bytes.fromhex(hash))


def fingerprint(text: str) -> str:
    """Return the SHA-256 by which the next checkpoint refers to this text."""
    return sha256(text.encode()).hexdigest()


def checkpoint_event(number: int, body: str, key_id: str, signature: bytes) -> AuditCheckpoint:
    """Return a signed checkpoint, with its text, as the topic has it. Raises `ValueError` if the text is none."""
    return AuditCheckpoint(
        service=Checkpoint.read(body).service,
        number=number,
        text=body,
        key_id=key_id,
        signature=b64encode(signature).decode(),
    )


def is_signed(text: str, signature: bytes, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(signature, _PURPOSE + text.encode())
    except InvalidSignature:
        return False
    return True


class Attestor:
    """Signs checkpoints for a service; only the leader runs one."""

    def __init__(self, service: str, pool: asyncpg.Pool, key: Ed25519PrivateKey, clock: Callable[[], datetime]) -> None:
        self._service = service
        self._pool = pool
        self._key = key
        self._key_id = key_id(key.public_key())
        self._signer = Signer(service, key)
        self._clock = clock

    async def attest(self) -> bool:
        """Sign the heads of the chains that grew, store that, and queue it for the relay. Return whether one grew."""
        async with self._pool.acquire() as connection, connection.transaction():
            # An old and a new leader may both be here: the second sees what the first stored.
            await connection.execute("select pg_advisory_xact_lock(lock_of('checkpoints'))")
            grown = await connection.fetch(QUERIES["grown"], MAX_HEADS)
            if not grown:
                return False
            last = await connection.fetchrow("select number, body from audit_checkpoints order by number desc limit 1")
            checkpoint = Checkpoint(
                self._service,
                1 if last is None else last["number"] + 1,
                self._clock(),
                "" if last is None else fingerprint(last["body"]),
                {row["chain"]: Head(row["seq"], row["hash"]) for row in grown},
            )
            await self._store(connection, checkpoint)
        return True

    async def _store(self, connection: Any, checkpoint: Checkpoint) -> None:
        text = checkpoint.text()
        signature = self._key.sign(_PURPOSE + text.encode())
        event = checkpoint_event(checkpoint.number, text, self._key_id, signature)
        await connection.execute(
            "insert into audit_checkpoints (number, body, key_id, signature) values ($1, $2, $3, $4)",
            checkpoint.number,
            text,
            self._key_id,
            signature,
        )
        await connection.execute(
            "update audit_chains a set attested = h.seq "
            "from unnest($1::uuid[], $2::bigint[]) as h (chain, seq) where a.chain = h.chain",
            list(checkpoint.heads),
            [head.seq for head in checkpoint.heads.values()],
        )
        events = [(uuid5(_CHECKPOINT, fingerprint(text)), event, checkpoint.at)]
        await publish(connection, self._signer, AUDIT_CHECKPOINTS.name, events)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it is stored or was exported."""

    number: int
    text: str
    key_id: str
    signature: bytes

    @classmethod
    def of(cls, event: AuditCheckpoint) -> Self:
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
        if event.service not in {name for key in self._keys.values() for name in key.services}:
            self.ignored["unknown-service"] += 1
        elif isinstance(read := trusted(event.service, self._keys, signed), CheckpointFault):
            self.ignored[read.code] += 1
        else:
            self._signed.setdefault((event.service, event.number, event.text), signed)

    def of(self, service: str) -> list[Signed]:
        """Return the service's checkpoints, in the order in which they were added."""
        return [signed for (name, *_), signed in self._signed.items() if name == service]


@dataclass(frozen=True, slots=True)
class CheckpointFault:
    """Why a checkpoint is not believed: a stable code, words, and whether at least its signature is."""

    code: str
    text: str
    signed: bool = False


def trusted(service: str, keys: Mapping[str, TrustedKey], each: Signed) -> Checkpoint | CheckpointFault:
    """Return the checkpoint, or why it is not believed."""
    key = keys.get(each.key_id)
    if key is None:
        return CheckpointFault("unknown-key", "no trusted key signed it")
    if service not in key.services:
        others = " and ".join(sorted(key.services))
        return CheckpointFault("key-of-another-service", f"the key of {others} signed it")
    if not is_signed(each.text, each.signature, key.key):
        return CheckpointFault("invalid-signature", "the signature is invalid")
    try:
        checkpoint = Checkpoint.read(each.text)
    except ValueError:
        return CheckpointFault("unreadable", "its text is signed, but is not a checkpoint's", signed=True)
    # The signature covers the text alone, so anybody may copy it under another number.
    if (checkpoint.service, checkpoint.number) != (service, each.number):
        return CheckpointFault("misnamed", "it is signed for another service or number", signed=True)
    return checkpoint
