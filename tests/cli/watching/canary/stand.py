"""Certificates as the canary gets them: of the authority of 2026, with the event and the view that tell of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from servicecert_cli.watching.canary.customer import application
from servicecert_cli.watching.canary.domain.certificate import Certified, Wanted, verify
from servicecert_cli.watching.settings import CanarySettings
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import AlternativeNames, Contents, Subject, build_tbs, sign_tbs
from servicecert_pki.issued import read_certificate
from servicecert_pki.keys import SigningKey
from servicecert_pki.profile import Usage
from servicecert_pki.profiles import load_profiles
from servicecert_pki.spki import spki_of, spki_sha256
from servicecert_schemas.case import CaseCertificate, CaseChanged, HistoryEntry
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import new_case_id

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
DNS, UNIT, BUSINESS_ID = "canary.authority.example.fi", "Varmennepalvelun kanarialintu", "9900099-0"
CRL_URL, OCSP_URL = "http://crl.example.fi/test-ec.5.crl", "http://ocsp.example.fi"
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_000C
CASE_ID = new_case_id()
OTHER_EVENT = UUID(int=1)
TEXTS = {"sv": "a", "fi": "b", "en": "c"}
PROFILES = load_profiles()
SPKI = spki_of(ec.generate_private_key(ec.SECP384R1()).public_key())
SETTINGS = CanarySettings(
    bootstrap_servers="nowhere:1",
    service_keys=Path(),
    mail="canary@authority.example",
    ca_certificates=Path(),
    business_id=BUSINESS_ID,
    unit=UNIT,
)
WANTED = Wanted(application(SETTINGS), spki_sha256(SPKI))


def view(*states: str, at: datetime = NOW, **about: Any) -> CaseChanged:
    """Return the view of a case that has had these states."""
    usual = {
        "case_id": CASE_ID,
        "account_id": "canary",
        "version": len(states),
        "state": states[-1],
        "type": "test-server",
        "language": "en",
        "applied_for": {"business_id": BUSINESS_ID, "unit_long_name": UNIT},
        "next_step": TEXTS,
        "acts_next": "authority",
        "history": tuple(HistoryEntry(state=state, at=at) for state in states),
    }
    return CaseChanged.model_validate({**usual, **about})


def answer(code: str, event_id: UUID = OTHER_EVENT) -> dict[str, Any]:
    return {"event_id": event_id, "code": code, "texts": TEXTS, "at": NOW}


def shown(issued: CertificateIssued) -> CaseCertificate:
    """Return what the view shows of a certificate."""
    return CaseCertificate.model_validate(
        {name: getattr(issued, name) for name in CaseCertificate.model_fields.keys() - {"der"}}
        | {"der": issued.certificate}
    )


@dataclass(frozen=True)
class Issuance:
    """An authority with its keys."""

    authority: Authority
    keys: Mapping[str, SigningKey]

    @property
    def trusted(self) -> dict[str, bytes]:
        return {name: self.authority.issuer(name).certificate_der for name in self.keys}

    def issued(
        self,
        *,
        issuer: str = "test-ec",
        type: str = "test-server",
        dns: tuple[str, ...] = (DNS,),
        subject: tuple[str, str, str] = (UNIT, BUSINESS_ID, DNS),
        **contents: Any,
    ) -> CertificateIssued:
        """Return the event of a certificate that this CA signed."""
        ca = self.authority.issuer(issuer)
        usual: dict[str, Any] = {
            "profile": PROFILES[type],
            "usages": frozenset({Usage.SERVER_AUTH}),
            "spki": SPKI,
            "serial": SERIAL,
            "not_before": NOW,
            "not_after": NOW + DAY - SECOND,
            "crl_url": CRL_URL.replace("test-ec", issuer),
            "ca_issuers_url": "http://crl.example.fi/test-ec.cer",
            "ocsp_url": OCSP_URL,
        }
        made = Contents(
            issuer=ca,
            subject=Subject("Varmennepalvelun kanarialintu", *subject),
            names=AlternativeNames(dns),
            **{**usual, **contents},
        )
        der = sign_tbs(build_tbs(made), self.keys[issuer])
        _, values = read_certificate(der)
        named = ("serial", "serial_decimal", "subject", "not_before", "not_after", "fingerprint", "key_sha256")
        return CertificateIssued.model_validate(
            {
                **{name: getattr(values, name) for name in named},
                "case_id": CASE_ID,
                "account_id": "canary",
                "decision_id": UUID(int=2),
                "type": type,
                "issuer": issuer,
                "profile": type,
                "profile_version": 1,
                "certificate": b64encode(der).decode(),
                "chain": [b64encode(each).decode() for each in (ca.certificate_der, ca.root_der)],
                "due": NOW,
                "language": "en",
                "recipients": (),
            }
        )

    def verified(self, issued: CertificateIssued, now: datetime = NOW, **other: Any) -> Certified:
        """Return the verdict on a certificate; `other` arguments replace the right ones."""
        arguments = {
            "shown": shown(issued),
            "wanted": WANTED,
            "trusted": self.trusted,
            "profile": PROFILES["test-server"],
            **other,
        }
        return verify(issued, now=now, **arguments)
