"""Certificates as the revoker knows them: by themselves, with the CA's signature, not by what an event says (F2). Pure.

An event with other values is an alarm, and the certificate's own count: what a CA signed must be revocable, whoever
tells of it. An event whose certificate no CA of ours signed is parked. A second certificate of a case is kept.
"""

from base64 import b64decode
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict
from servicecert_pki.authority import Authority
from servicecert_pki.issued import CertificateUntrusted, partition_of_certificate, read_certificate, read_issued
from servicecert_pki.partitions import FULL, partition_of
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided, Recipients
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.core.decider import Facts, Untrusted

IRREGULAR = "irregular"
"""The act that logs the alarm, and stores a second certificate."""

_SECOND = UUID("3f4e0f3c-4f0a-4c57-a3a8-0d2f6f6f4b21")

LONGEST_VOID = timedelta(days=3 * 366)
"""CRL lifetime of a void serial number with unknown `not_after`: longer than the longest validity (B1) plus a later
start (A14).
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a revocation needs of an issued certificate.

    `serial` is lower-case hexadecimal, `subject` RFC 4514 text, `partition` its CRL's (D7), `key_sha256` of its
    SubjectPublicKeyInfo (D6). Operators select the certificates of an incident by type and profile. `second_of` is the
    case of a certificate that came after another one of its case (F2): it has a key of its own, and nobody is notified.
    `der` is the certificate itself; those stored by earlier versions lack it.
    """

    __pydantic_config__: ClassVar = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    issuer: str
    serial: str
    account_id: str
    subject: str
    issued_at: datetime
    not_after: datetime
    language: Language
    recipients: Recipients
    key_sha256: str
    type: CertificateType
    profile: str
    profile_version: int
    partition: int = FULL
    not_before: datetime | None = None
    second_of: str | None = None
    der: bytes | None = field(default=None, repr=False)

    @property
    def begins(self) -> datetime:
        """The certificate's first moment. Those stored by earlier versions lack it: their issuance counts."""
        return self.not_before or self.issued_at

    def read(self, der: bytes) -> "Certificate":
        """Return it with what the certificate itself says, whatever is stored beside it (F2)."""
        _, own = read_certificate(der)
        return replace(
            self,
            serial=own.serial,
            subject=own.subject,
            not_before=own.not_before,
            not_after=own.not_after,
            key_sha256=own.key_sha256,
            der=der,
        )

    def is_as(self, told: "Certificate") -> bool:
        """Return whether it is what an event tells, but for the time of that, and recipients, who may be erased."""
        changing = replace(self, issued_at=told.issued_at, recipients=told.recipients, second_of=told.second_of)
        return replace(changing, not_before=self.not_before or told.not_before, der=self.der or told.der) == told


@dataclass(frozen=True, slots=True)
class Void(Facts):
    """A void serial number, with what a CRL entry needs: its certificate may be signed, and nobody received it (B2)."""

    issuer: str
    serial: str
    not_after: datetime
    partition: int = FULL


@dataclass(frozen=True, slots=True)
class Verified(Facts):
    """A certificate with its own values, its CA's signature verified; only what it does not say is the event's.

    `differ` names the event's fields that say otherwise.
    """

    certificate: Certificate
    fingerprint: str
    differ: tuple[str, ...] = ()


class Irregular(BaseModel):
    """An event of a certificate that is not as it must be, by its `code`:

    `fields-differ`: it says other values than its certificate (`differ`);
    `second-certificate`: its case has another certificate, so this one (`second`) is stored beside it;
    `second-end`: its case has a certificate, and another serial number would be void;
    `certificate-of-another-case`: another case has this certificate;
    `stored-otherwise`: it is stored with other values, so not by a worker that read it.
    """

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("code", "issuer", "serial", "fingerprint", "differ")

    code: str
    issuer: str
    serial: str
    fingerprint: str | None = None
    differ: tuple[str, ...] = ()
    second: Certificate | None = None


class Noted(BaseModel):
    """The alarm was logged, and `second` stored. `compromised`: its key was, before that (D6)."""

    model_config = ConfigDict(frozen=True)

    second: Certificate | None = None
    compromised: bool = False


def verify(issued: CertificateIssued, issued_at: datetime, authority: Authority) -> Verified | Untrusted:
    """Return what the certificate in the event says, if a CA of ours signed it, and of the event only the rest."""
    der = b64decode(issued.certificate)
    try:
        issuer, read = read_issued(der, authority.issuers.values())
    except CertificateUntrusted as untrusted:
        return Untrusted(f"certificate-{untrusted.code}", str(untrusted))
    partition = partition_of_certificate(issuer, read)
    certificate = Certificate(
        issuer=issuer.id,
        serial=read.serial,
        account_id=issued.account_id,
        subject=read.subject,
        issued_at=issued_at,
        not_after=read.not_after,
        language=issued.language,
        recipients=issued.recipients,
        key_sha256=read.key_sha256,
        type=issued.type,
        profile=issued.profile,
        profile_version=issued.profile_version,
        partition=FULL if partition is None else partition,
        not_before=read.not_before,
        der=der,
    )
    others = {"issuer": issued.issuer == issuer.id, "partition": issued.partition == partition}
    differ = (*(name for name, same in others.items() if not same), *read.differences(issued))
    return Verified(certificate, read.fingerprint, differ)


def bound(voided: CertificateVoided, at: datetime, authority: Authority, partitions: int) -> Void | Untrusted:
    """Return a serial number that was void `at` that time. There is no certificate to be read.

    The CA's end bounds its end. The partition is that of the intent (D7), if it is one of those that there are.
    """
    issuer = authority.issuers.get(voided.issuer)
    if issuer is None:
        return Untrusted("certificate-unknown-ca", "The void serial number is of a CA that is not ours.")
    not_after = at + LONGEST_VOID if voided.not_after is None else min(voided.not_after, issuer.not_after)
    is_known = 0 < voided.partition <= partitions
    partition = voided.partition if is_known else partition_of(int(voided.serial, 16), partitions)
    return Void(voided.issuer, voided.serial, not_after, partition)


def second_key(case: str, issuer: str, serial: str) -> UUID:
    """Return the key under which a second certificate of a case is stored; the same one has the same key."""
    return uuid5(_SECOND, f"{case}/{issuer}/{serial}")
