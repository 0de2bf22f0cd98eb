"""The files that the demonstration leaves: certificates, CAs, CRLs, mails and every event."""

import shutil
import ssl
from base64 import b64decode
from pathlib import Path

from servicecert_schemas.certificate import CertificateIssued

from ..stand.topic_reader import TopicReader


def keep_authority(authority: Path, folder: Path) -> None:
    """Copy the certificates of roots and issuing CAs, and no key."""
    for kind in ("roots", "issuing"):
        shutil.copytree(authority / kind, folder / "ca" / kind)


def keep_certificate(issued: CertificateIssued, folder: Path) -> str:
    """Write a certificate as .pem and .der into `certificates/`; return the path without an ending.

    The name is the certificate's type, with a number where there is one already.
    """
    certificates = folder / "certificates"
    certificates.mkdir(exist_ok=True)
    name, number = str(issued.type), 1
    while (certificates / f"{name}.pem").exists():
        number += 1
        name = f"{issued.type}-{number}"
    der = b64decode(issued.certificate)
    (certificates / f"{name}.der").write_bytes(der)
    (certificates / f"{name}.pem").write_text(ssl.DER_cert_to_PEM_cert(der))
    return f"certificates/{name}"


async def keep_events(witness: TopicReader, folder: Path) -> int:
    """Write every event in order of time, a line of JSON each; return how many there are."""
    await witness.caught_up()
    lines = [seen.line() for seen in witness.in_order()]
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)
