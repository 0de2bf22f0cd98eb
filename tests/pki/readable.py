"""A certificate as text for a reviewer, decoded by another library than the one that encoded it."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from asn1crypto import x509 as asn1


def text(certificate: bytes) -> str:
    """Return one line for each value of a certificate, in its order."""
    read = asn1.Certificate.load(certificate, strict=True)
    tbs = read["tbs_certificate"]
    key = tbs["subject_public_key_info"]
    lines = [
        f"version          {tbs['version'].native}",
        f"serial number    {tbs['serial_number'].native:x}",
        f"signature        {tbs['signature']['algorithm'].native}",
        "issuer",
        *_name(tbs["issuer"]),
        *(
            f"{name:<16} {tbs['validity'][name].name} {tbs['validity'][name].native}"
            for name in ("not_before", "not_after")
        ),
        "subject",
        *_name(tbs["subject"]),
        f"key              {key['algorithm']['algorithm'].native} {read.public_key.bit_size}",
        "extensions",
        *(line for extension in tbs["extensions"] for line in _extension(extension)),
        f"to be signed     {len(tbs.dump())} octets, SHA-256 {sha256(tbs.dump()).hexdigest()}",
        f"signed by        {read['signature_algorithm']['algorithm'].native}",
    ]
    return "\n".join(lines) + "\n"


def _name(name: Any) -> Iterator[str]:
    for relative in name.chosen:
        for attribute in relative:
            value = attribute["value"]
            value = getattr(value, "chosen", value)
            yield f"    {attribute['type'].native:<26} {type(value).__name__:<16} {value.native}"


def _extension(extension: Any) -> Iterator[str]:
    critical = " (critical)" if extension["critical"].native else ""
    yield f"    {extension['extn_id'].native}{critical}"
    native = extension["extn_value"].parsed.native
    for line in _lines(native):
        yield f"        {line}"


def _lines(value: Any, name: str = "") -> Iterator[str]:
    match value:
        case None:
            return
        case bytes():
            yield f"{name}{value.hex()}"
        case set():
            yield f"{name}{' '.join(sorted(value))}"
        case dict():
            for key, inner in value.items():
                yield from _lines(inner, f"{name}{key} ")
        case list():
            for inner in value:
                yield from _lines(inner, name)
        case _:
            yield f"{name}{value}"
