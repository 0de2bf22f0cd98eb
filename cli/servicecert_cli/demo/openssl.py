"""OpenSSL's command line in the demonstration: it makes the customers' requests, and checks what was issued."""

import asyncio
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..faults import UserError

_LOOKUP_ERROR = re.compile(r"^error \d+ at \d+ depth lookup: (.+)$", re.MULTILINE)


class KeyKind(NamedTuple):
    """A kind of key: its name, and the options of `openssl req` that make one."""

    name: str
    options: tuple[str, ...]


RSA_2048 = KeyKind("RSA 2048", ("-newkey", "rsa:2048"))
RSA_3072 = KeyKind("RSA 3072", ("-newkey", "rsa:3072"))
EC_P384 = KeyKind("EC P-384", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"))


class Answer(NamedTuple):
    """A command as a person types it, its output, and whether OpenSSL accepts `certificate`."""

    command: str
    output: str
    content: bool
    certificate: str = ""

    @property
    def verdict(self) -> str:
        """The output's words on the certificate alone: `OK`, `good`, `revoked`, `certificate revoked`."""
        if found := _LOOKUP_ERROR.search(self.output):
            return found[1]
        about = f"{self.certificate}: "
        return next((line.removeprefix(about) for line in self.output.splitlines() if line.startswith(about)), "")


async def version() -> str:
    """Return `OpenSSL 3.0.19`. Raises UserError where there is none."""
    return " ".join((await _run(["version"], Path())).output.split()[:2])


async def make_request(kind: KeyKind, common_name: str, folder: Path, name: str) -> Path:
    """Make a key and a request for it, `name.key` and `name.csr`; return the path of the latter. Raises UserError."""
    options = [*kind.options, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={common_name}"]
    answer = await _run(["req", "-new", *options], folder)
    if not answer.content:
        raise UserError(f"OpenSSL made no request: {answer.output}", os.EX_UNAVAILABLE)
    return folder / f"{name}.csr"


async def verify(folder: Path, certificate: str, *, root: str, issuing: str, crl: str) -> Answer:
    """Run `openssl verify -x509_strict -crl_check` in `folder`, to which all paths are relative."""
    trust = ["-CAfile", root, "-untrusted", issuing, "-CRLfile", crl]
    return await _run(["verify", "-x509_strict", "-crl_check", *trust, certificate], folder, certificate)


async def ask_ocsp(folder: Path, certificate: str, *, root: str, issuing: str, url: str) -> Answer:
    """Run `openssl ocsp`; content where the responder's signature is right and its status is good."""
    about = ["-CAfile", root, "-issuer", issuing, "-cert", certificate]
    answer = await _run(["ocsp", *about, "-url", url], folder, certificate)
    good = {"Response verify OK", f"{certificate}: good"} <= set(answer.output.splitlines())
    return answer._replace(content=answer.content and good)


async def _run(arguments: Sequence[str], folder: Path, certificate: str = "") -> Answer:
    if shutil.which("openssl") is None:
        raise UserError("OpenSSL's command line is missing: install the package `openssl`.", os.EX_UNAVAILABLE)
    process = await asyncio.create_subprocess_exec(
        "openssl", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    text = output.decode(errors="replace").strip()
    return Answer(shlex.join(["openssl", *arguments]), text, process.returncode == 0, certificate)
