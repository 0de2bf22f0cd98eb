"""Certificates as the revoker knows them: by themselves, with the CA's signature, not by what an event says (F2). Pure.

An event with other values is an alarm, and the certificate's own count: what a CA signed must be revocable, whoever
tells of it. An event whose certificate no CA of ours signed is parked.
"""

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

from servicecert_pki.authority import Authority
from servicecert_pki.issued import CertificateUntrusted, partition_of_certificate, read_issued
from servicecert_pki.partitions import FULL, partition_of
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_worker.core.decider import Facts


@dataclass(frozen=True, slots=True)
class Verified(Facts):
    """A certificate's own values, its CA's signature verified. `differ` names the event's fields that say otherwise.

    `der` is the certificate itself.
    """

    issuer: str
    serial: str
    subject: str
    not_before: datetime
    not_after: datetime
    key_sha256: str
    partition: int
    fingerprint: str
    differ: tuple[str, ...] = ()
    der: bytes | None = None


@dataclass(frozen=True, slots=True)
class BoundedVoid(Facts):
    """A void serial number of a known CA: the partition follows from the number, and the CA's end bounds its end."""

    partition: int
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Untrusted(Facts):
    """Why an event of a certificate is parked: a stable code and one sentence."""

    code: str
    text: str


def verify(issued: CertificateIssued, authority: Authority) -> Verified | Untrusted:
    """Return what the certificate in the event says, if a CA of ours signed it."""
    der = b64decode(issued.certificate)
    try:
        issuer, read = read_issued(der, authority.issuers.values())
    except CertificateUntrusted as untrusted:
        return Untrusted(f"certificate-{untrusted.code}", str(untrusted))
    partition = partition_of_certificate(issuer, read)
    others = {"issuer": issued.issuer == issuer.id, "partition": issued.partition == partition}
    return Verified(
        issuer=issuer.id,
        serial=read.serial,
        subject=read.subject,
        not_before=read.not_before,
        not_after=read.not_after,
        key_sha256=read.key_sha256,
        partition=FULL if partition is None else partition,
        fingerprint=read.fingerprint,
        differ=(*(name for name, same in others.items() if not same), *read.differences(issued)),
        der=der,
    )


def bound(voided: CertificateVoided, authority: Authority, partitions: int) -> BoundedVoid | Untrusted:
    """Return the limits of a void serial number, of which there is no certificate to be read."""
    issuer = authority.issuers.get(voided.issuer)
    if issuer is None:
        return Untrusted("certificate-unknown-ca", "The void serial number is of a CA that is not ours.")
    not_after = None if voided.not_after is None else min(voided.not_after, issuer.not_after)
    return BoundedVoid(partition_of(int(voided.serial, 16), partitions), not_after)
