"""What OpenSSL's command line does in the demonstration: it makes the customers' requests, and it is the second opinion on what comes of them."""

import asyncio
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..faults import UserError


@dataclass(frozen=True, slots=True)
class KeyKind:
    """A kind of key as `openssl req -newkey` names it, and as people do."""

    name: str
    options: tuple[str, ...]


RSA_2048 = KeyKind("RSA 2048", ("-newkey", "rsa:2048"))
RSA_3072 = KeyKind("RSA 3072", ("-newkey", "rsa:3072"))
EC_P384 = KeyKind("EC P-384", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A command as a person would type it, what it said, and whether it was content."""

    command: str
    said: str
    content: bool


async def version() -> str:
    """`OpenSSL 3.0.19`. Raises UserError where there is none."""
    said = (await _ask(["version"], Path())).said
    return " ".join(said.split()[:2])


async def make_request(kind: KeyKind, common_name: str, folder: Path, name: str) -> Path:
    """Makes a key and a request for it, `name.key` and `name.csr`. Raises UserError."""
    options = [*kind.options, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={common_name}"]
    answer = await _ask(["req", "-new", *options], folder)
    if not answer.content:
        raise UserError(f"OpenSSL made no request: {answer.said}", os.EX_UNAVAILABLE)
    return folder / f"{name}.csr"


async def verify(folder: Path, certificate: str, *, root: str, issuing: str, crl: str) -> Answer:
    """`openssl verify -x509_strict -crl_check` in `folder`, to which all paths are relative."""
    trust = ["-CAfile", root, "-untrusted", issuing, "-CRLfile", crl]
    return await _ask(["verify", "-x509_strict", "-crl_check", *trust, certificate], folder)


async def ask_ocsp(folder: Path, certificate: str, *, root: str, issuing: str, url: str) -> Answer:
    """`openssl ocsp` in `folder`; content where the responder's signature is right and it says good."""
    about = ["-CAfile", root, "-issuer", issuing, "-cert", certificate]
    answer = await _ask(["ocsp", *about, "-url", url], folder)
    said = answer.said.splitlines()
    good = answer.content and "Response verify OK" in said and f"{certificate}: good" in said
    return replace(answer, content=good)


async def _ask(arguments: Sequence[str], folder: Path) -> Answer:
    if shutil.which("openssl") is None:
        raise UserError("OpenSSL's command line is missing: install the package `openssl`.", os.EX_UNAVAILABLE)
    asked = await asyncio.create_subprocess_exec(
        "openssl", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asked.communicate()
    return Answer(shlex.join(["openssl", *arguments]), said.decode(errors="replace").strip(), asked.returncode == 0)
