"""Each service's own Ed25519 key: it signs the service's events and audit checkpoints, which others act on (F2, B6).

One key serves both, because the same process holds it for the same time; the signed bytes begin differently. Readers
pin the public keys in one folder, several for each service at once, so that a key can be replaced.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from .faults import OperatorError
from .secret_files import SecretUnreadable, require_private

PUBLIC = "public"
"""The folder of all public keys, where each service's private key has a folder of its own."""

_SETTING = "SERVICECERT_SERVICE_KEY_FILE"
_OWNER = "Signs for"
_PEM = re.compile(rb"-----BEGIN [^-]+-----.+?-----END [^-]+-----", re.DOTALL)
_END = re.compile(rb"not[- ]?after\b:?(.*)", re.IGNORECASE)
_NEVER = datetime.max.replace(tzinfo=UTC)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def make_keys(folder: Path, services: Sequence[str], *, apart: bool = False) -> list[Path]:
    """Create a key pair for each service, and return the files.

    `<service>.key` (mode 0600) signs, `<service>.pub` verifies. With `apart` each private key is in a folder with its
    service's name, and all public keys are in the folder `public`. Never overwrites a file. Raises `OperatorError`.
    """
    created: list[Path] = []
    try:
        for service in services:
            key = Ed25519PrivateKey.generate()
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            owner = f"{_OWNER} {service}\n".encode()
            for suffix, own, mode, content in (
                ("key", service, 0o600, owner + private),
                ("pub", PUBLIC, 0o644, public),
            ):
                path = (folder / own if apart else folder) / f"{service}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                try:
                    with os.fdopen(descriptor, "wb") as file:
                        file.write(content)
                except OSError:
                    # On a full disk it is empty, and is not to be in the way of the next.
                    path.unlink()
                    raise
                created.append(path)
    except FileExistsError as fault:
        raise OperatorError(f"{fault.filename} exists and is not overwritten: name another folder.", 73) from None
    except OSError as fault:
        raise OperatorError(f"{folder} cannot be written ({fault.strerror}): name another folder.", 73) from None
    return created


def read_key(path: Path, service: str | None = None) -> Ed25519PrivateKey:
    """Return the private key of `service`. Raises `OperatorError`, also for another service's key or an open file."""
    try:
        require_private(path)
        content = path.read_bytes()
    except SecretUnreadable as fault:
        raise OperatorError(f"{_SETTING}: {fault}.") from None
    except OSError as fault:
        raise OperatorError(f"{_SETTING}: {path} cannot be read ({fault.strerror}).", 66) from None
    owner = re.search(rf"^{_OWNER} (\S+)$".encode(), content, re.MULTILINE)
    name = "no service" if owner is None else owner[1].decode("ascii", "replace")
    try:
        key = load_pem_private_key(content, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(
            f"{_SETTING}: {path} holds no Ed25519 private key: make one with `servicecert service-keys`.", 65
        )
    if service not in (None, name):
        raise OperatorError(f"{_SETTING}: {path} is the key of {name}: give {service} its own, and no other.", 78)
    return key


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A pinned public key, and the services that it speaks for: each worker has only its own service's key.

    After `not_after`, by the reader's clock, it counts as if it were not pinned: whoever has the private key chooses
    the times in a record, and its producer's timestamp.
    """

    key: Ed25519PublicKey
    services: frozenset[str]
    not_after: datetime = _NEVER


TrustedKeys: TypeAlias = Mapping[str, TrustedKey]
"""The pinned public keys, by id."""


def read_public_keys(folder: Path) -> dict[str, TrustedKey]:
    """Return the public keys in a folder and its subfolders, by id: `<service>.pub` or several `<service>-….pub`.

    A line `Not after <time>` in a file ends its key. Raises `OperatorError` if there is none, or a file is not one.
    """
    keys: dict[str, TrustedKey] = {}
    for path in sorted(folder.rglob("*.pub")):
        try:
            content = path.read_bytes()
            key = load_pem_public_key(content)
        except (OSError, ValueError):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise OperatorError(f"{path} holds no Ed25519 public key: remove it, or name another folder.", 65)
        id, found = key_id(key), TrustedKey(key, frozenset({path.stem.partition("-")[0]}), _not_after(path, content))
        others = keys.get(id, found)
        keys[id] = TrustedKey(key, others.services | found.services, min(others.not_after, found.not_after))
    if not keys:
        raise OperatorError(
            f"There is no public key (*.pub) in {folder}: name the folder that `servicecert service-keys` made.", 66
        )
    return keys


def _not_after(path: Path, content: bytes) -> datetime:
    """Return when the public key in a file ends. Raises `OperatorError` for any other line: it may mean an end."""
    found = [_END.fullmatch(line) for line in _PEM.sub(b"", content).splitlines() if line]
    try:
        return min([_NEVER, *(datetime.fromisoformat(it[1].decode().strip() if it else "") for it in found)])
    except (ValueError, TypeError):
        text = f"{path}: write its end as in `Not after 2027-12-31T12:00:00+02:00`, with the time zone."
        raise OperatorError(text, 65) from None
