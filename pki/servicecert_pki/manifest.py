"""The manifest of an authority: its CAs, the location of their keys, and the date from which each issues.

A CA's name is its kind and its generation: ``production-ec``, then ``production-ec-2``. A later generation issues
from its date; the earlier one keeps signing CRLs for its own certificates.
"""

import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from .identity import Table
from .profile import Environment
from .spki import KeyFamily

MANIFEST = "authority.json"

KINDS = tuple((environment, family) for environment in Environment for family in KeyFamily)
"""Each kind has one root and at least one issuing CA."""

_NAME = re.compile(r"(production|test)-(rsa|ec)(?:-([1-9][0-9]{0,3}))?")

CaName = Annotated[str, Field(pattern=rf"^{_NAME.pattern}$")]
_File = Annotated[str, Field(pattern=r"^(issuing|roots|keys)/[a-z0-9-]+\.pem$")]


class PemPlace(Table):
    """A key in an encrypted file below the authority's directory."""

    kind: Literal["pem"] = "pem"
    file: _File


class TokenPlace(Table):
    """A key in a PKCS#11 token, identified by the token's label and its own."""

    kind: Literal["pkcs11"] = "pkcs11"
    token: Annotated[str, Field(min_length=1, max_length=32)]
    label: Annotated[str, Field(min_length=1, max_length=64)]


KeyPlace = Annotated[PemPlace | TokenPlace, Field(discriminator="kind")]


class Entry(Table):
    """One issuing CA. Without `active_from` it is installed but does not issue yet."""

    id: CaName
    environment: Environment
    certificate: _File
    root: _File
    key: KeyPlace
    active_from: AwareDatetime | None = None


class Manifest(Table):
    """All issuing CAs of a directory, in the order of their installation."""

    version: Literal[2] = 2
    made: AwareDatetime
    issuing: tuple[Entry, ...]


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest; raises OSError, and ValueError with one line that names the field."""
    try:
        return Manifest.model_validate_json((directory / MANIFEST).read_bytes())
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}") from None


def write_manifest(directory: Path, manifest: Manifest) -> None:
    write_whole(directory / MANIFEST, manifest.model_dump_json(indent=2).encode() + b"\n")


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file atomically and flush it to disk."""
    path.parent.mkdir(exist_ok=True, mode=0o700 if path.parent.name == "keys" else 0o755)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def issuer_id(environment: Environment, family: KeyFamily, generation: int = 1) -> str:
    """Return the name of an issuing CA and its files, for instance ``test-ec`` or ``test-ec-2``."""
    return f"{environment}-{family}" + (f"-{generation}" if generation > 1 else "")


def root_id(environment: Environment, family: KeyFamily) -> str:
    return f"{environment}-root-{family}"


def kind_of(id: str) -> tuple[Environment, KeyFamily, int]:
    """Return the environment, key family and generation in the name of an issuing CA. Raises ValueError."""
    match = _NAME.fullmatch(id)
    if match is None:
        raise ValueError(f"{id} is no name of an issuing CA, such as production-ec or production-ec-2")
    return Environment(match[1]), KeyFamily(match[2]), int(match[3] or 1)


def active(entries: Mapping[str, datetime | None], moment: datetime) -> str | None:
    """Return the CA that was activated last before `moment`, of equal times the last entry; None if none is active."""
    started = [(since, index, id) for index, (id, since) in enumerate(entries.items()) if since and since <= moment]
    return max(started)[2] if started else None
