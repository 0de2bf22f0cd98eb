"""Signed checkpoints: they join the audit chains of a service's workers and vouch for their heads (B6).

The leader makes one now and then, where a chain grew: it names the new heads and the checkpoint before, is signed with a key that the database's
administrator does not have, and is exported to the topic `audit-checkpoints`. Whoever rewrites a row afterwards contradicts a signature that is out of
reach.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid5

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from servicecert_schemas.audit import AuditCheckpoint
from servicecert_schemas.topics import AUDIT_CHECKPOINTS

from ..faults import OperatorError
from ..runtime.turn import key_lock
from ..storage import QUERIES
from .chain import Head

_CHECKPOINT = uuid5(UUID(int=0), "servicecert.audit.checkpoint")
MOST_HEADS = 500
"""How many chains one checkpoint names: more are named by the next."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says. `previous` is the SHA-256 of the text of the one before, empty for the first."""

    service: str
    number: int
    at: datetime
    previous: str
    heads: Mapping[UUID, Head]

    def text(self) -> str:
        """What is signed: JSON on one line."""
        heads = {str(chain): [head.seq, head.hash.hex()] for chain, head in self.heads.items()}
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        facts = {"service": self.service, "number": self.number, "at": at, "previous": self.previous, "heads": heads}
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises `ValueError` for a text that no checkpoint has."""
        try:
            facts = json.loads(text)
            heads = {UUID(chain): Head(int(seq), bytes.fromhex(hash)) for chain, (seq, hash) in facts["heads"].items()}
            return cls(
                str(facts["service"]),
                int(facts["number"]),
                datetime.fromisoformat(facts["at"]),
                str(facts["previous"]),
                heads,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("is no checkpoint") from error


def fingerprint(text: str) -> str:
    """What the next checkpoint calls the one with this text."""
    return sha256(text.encode()).hexdigest()


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def make_keys(folder: Path, services: Sequence[str], *, apart: bool = False) -> list[Path]:
    """Makes for each service a key that signs its checkpoints, `<service>.key`, readable by its owner alone, and `<service>.pub` for who verifies them.

    With `apart` each service's are in a folder of its name. Nothing is ever overwritten. Answers the files made. Raises `OperatorError`.
    """
    made: list[Path] = []
    try:
        for service in services:
            own = folder / service if apart else folder
            own.mkdir(parents=True, exist_ok=True)
            key = Ed25519PrivateKey.generate()
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            for suffix, mode, content in (("key", 0o600, private), ("pub", 0o644, public)):
                path = own / f"{service}.{suffix}"
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    file.write(content)
                made.append(path)
    except FileExistsError as fault:
        raise OperatorError(f"{fault.filename} is there already and stays as it is: name another folder.", 73) from None
    except OSError as fault:
        raise OperatorError(f"{folder} cannot be written ({fault.strerror}): name another folder.", 73) from None
    return made


def read_key(path: Path) -> Ed25519PrivateKey:
    """The key that checkpoints are signed with. Raises `OperatorError`."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as fault:
        raise OperatorError(f"SERVICECERT_AUDIT_KEY_FILE: {path} cannot be read ({fault.strerror}).", 66) from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(
            f"SERVICECERT_AUDIT_KEY_FILE: {path} holds no Ed25519 private key: make one with `servicecert audit init`.",
            65,
        )
    return key


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, and the services whose checkpoints it vouches for: each service's worker can read its own key alone."""

    key: Ed25519PublicKey
    services: frozenset[str]


def read_public_keys(folder: Path) -> dict[str, TrustedKey]:
    """The public keys of a folder and of the folders in it, by id: `<service>.pub`, or `<service>-<anything>.pub` for one of several.

    Raises `OperatorError` where there is none, or a file is none.
    """
    keys: dict[str, TrustedKey] = {}
    for path in sorted(folder.rglob("*.pub")):
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise OperatorError(f"{path} holds no Ed25519 public key: take it away, or name another folder.", 65)
        id, service = key_id(key), path.stem.partition("-")[0]
        others = keys[id].services if id in keys else frozenset()
        keys[id] = TrustedKey(key, others | {service})
    if not keys:
        raise OperatorError(
            f"There is no public key (*.pub) in {folder}: name the folder that `servicecert audit init` made.", 66
        )
    return keys


def is_signed(text: str, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Whether the key signed the text."""
    try:
        key.verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


class Attestor:
    """Makes checkpoints for a service. One at a time: the leader's."""

    def __init__(
        self, service: str, pool: asyncpg.Pool[Any], key: Ed25519PrivateKey, clock: Callable[[], datetime]
    ) -> None:
        self._service = service
        self._pool = pool
        self._key = key
        self._key_id = key_id(key.public_key())
        self._clock = clock

    async def attest(self) -> bool:
        """Signs the heads of the chains that grew, stores it and leaves it to the relay to export. Answers whether there was any."""
        async with self._pool.acquire() as connection, connection.transaction():
            # A leader that goes and one that comes may both be here: the second sees what the first stored.
            await connection.execute("select pg_advisory_xact_lock($1)", key_lock(self._service, self._service))
            grown = await connection.fetch(QUERIES["grown"], MOST_HEADS)
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
        signature = self._key.sign(text.encode())
        event = AuditCheckpoint(
            service=self._service,
            number=checkpoint.number,
            text=text,
            key_id=self._key_id,
            signature=b64encode(signature).decode(),
        )
        await connection.execute(
            "insert into audit_checkpoints (number, body, key_id, signature) values ($1, $2, $3, $4)",
            checkpoint.number,
            text,
            self._key_id,
            signature,
        )
        await connection.execute(
            "update audit_chains a set attested = h.seq from unnest($1::uuid[], $2::bigint[]) as h (chain, seq) where a.chain = h.chain",
            list(checkpoint.heads),
            [head.seq for head in checkpoint.heads.values()],
        )
        await connection.execute(
            QUERIES["publish"],
            [AUDIT_CHECKPOINTS.name],
            [event.key()],
            [uuid5(_CHECKPOINT, fingerprint(text))],
            [event.TYPE],
            [event.model_dump_json().encode()],
            checkpoint.at,
        )
