"""Signed checkpoints join the audit chains of a service's workers and attest their heads (B6).

The leader makes one at intervals if a chain grew. It names the new heads and the previous checkpoint, is signed with a
key that the database's administrator does not have, and is exported to the topic `audit-checkpoints`.
"""

from __future__ import annotations

import json
import os
import re
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
from ..process.secret_files import check_mode
from ..runtime.turn import key_lock
from ..storage import QUERIES
from .chain import Head

_CHECKPOINT = uuid5(UUID(int=0), "servicecert.audit.checkpoint")
_OWNER = "Signs the audit of"
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
        """Parse a text. Raises `ValueError` if it is not a checkpoint's."""
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
            raise ValueError("is not a checkpoint") from error


def fingerprint(text: str) -> str:
    """Return the SHA-256 by which the next checkpoint refers to this text."""
    return sha256(text.encode()).hexdigest()


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def make_keys(folder: Path, services: Sequence[str], *, apart: bool = False) -> list[Path]:
    """Create a key pair for each service, with `apart` in a folder of its name, and return the files.

    `<service>.key` (mode 0600) signs, `<service>.pub` verifies. Never overwrites a file. Raises `OperatorError`.
    """
    created: list[Path] = []
    try:
        for service in services:
            own = folder / service if apart else folder
            own.mkdir(parents=True, exist_ok=True)
            key = Ed25519PrivateKey.generate()
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            owner = f"{_OWNER} {service}\n".encode()
            for suffix, mode, content in (("key", 0o600, owner + private), ("pub", 0o644, public)):
                path = own / f"{service}.{suffix}"
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    file.write(content)
                created.append(path)
    except FileExistsError as fault:
        raise OperatorError(f"{fault.filename} exists and is not overwritten: name another folder.", 73) from None
    except OSError as fault:
        raise OperatorError(f"{folder} cannot be written ({fault.strerror}): name another folder.", 73) from None
    return created


def read_key(path: Path, service: str) -> Ed25519PrivateKey:
    """Return the key that signs the checkpoints of `service`. Raises `OperatorError`, also for another service's key.

    A key without a service's name before it, as earlier versions made them, may be any service's.
    """
    check_mode(path, "SERVICECERT_AUDIT_KEY_FILE")
    try:
        pem = path.read_bytes()
        owner = re.search(rf"^{_OWNER} (\S+)$".encode(), pem, re.MULTILINE)
        if owner is not None and (name := owner[1].decode("ascii", "replace")) != service:
            raise OperatorError(
                f"SERVICECERT_AUDIT_KEY_FILE: {path} is the key of {name}: give {service} its own, and no other.", 78
            )
        key = load_pem_private_key(pem, None)
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
    """A public key, and the services whose checkpoints it verifies: each worker has only its own service's key."""

    key: Ed25519PublicKey
    services: frozenset[str]


def read_public_keys(folder: Path) -> dict[str, TrustedKey]:
    """Return the public keys in a folder and its subfolders, by id: `<service>.pub` or several `<service>-….pub`.

    Raises `OperatorError` if there is none, or a file is not one.
    """
    keys: dict[str, TrustedKey] = {}
    for path in sorted(folder.rglob("*.pub")):
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise OperatorError(f"{path} holds no Ed25519 public key: remove it, or name another folder.", 65)
        id, service = key_id(key), path.stem.partition("-")[0]
        others = keys[id].services if id in keys else frozenset()
        keys[id] = TrustedKey(key, others | {service})
    if not keys:
        raise OperatorError(
            f"There is no public key (*.pub) in {folder}: name the folder that `servicecert audit init` made.", 66
        )
    return keys


def is_signed(text: str, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Return whether the key signed the text."""
    try:
        key.verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


class Attestor:
    """Signs checkpoints for a service; only the leader runs one."""

    def __init__(
        self, service: str, pool: asyncpg.Pool[Any], key: Ed25519PrivateKey, clock: Callable[[], datetime]
    ) -> None:
        self._service = service
        self._pool = pool
        self._key = key
        self._key_id = key_id(key.public_key())
        self._clock = clock

    async def attest(self) -> bool:
        """Sign the heads of the chains that grew, store that, and queue it for the relay. Return whether one grew."""
        async with self._pool.acquire() as connection, connection.transaction():
            # An old and a new leader may both be here: the second sees what the first stored.
            await connection.execute("select pg_advisory_xact_lock($1)", key_lock(self._service, self._service))
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
            "update audit_chains a set attested = h.seq "
            "from unnest($1::uuid[], $2::bigint[]) as h (chain, seq) where a.chain = h.chain",
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
