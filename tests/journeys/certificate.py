"""A certificate decoded by asn1crypto and verified by OpenSSL: by nothing that took part in making it."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asn1crypto import pem
from asn1crypto.csr import CertificationRequest
from asn1crypto.x509 import Certificate
from servicecert_cli.stand.system import System
from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.values import CertificateType


@dataclass(frozen=True)
class Facts:
    """Subject by attribute, alternative DNS names, extended and plain key usages, the policy."""

    subject: dict[str, str]
    dns: tuple[str, ...]
    usages: set[str]
    key_usage: set[str]
    policy: str


EXPECTED = {
    CertificateType.SERVER: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Kuvitelman hyvinvointialue",
            "organizational_unit_name": "Sagouddens hälsostation",
            "serial_number": "9900001-8",
            "common_name": "kanta.sagoudden.example.fi",
        },
        dns=("kanta.sagoudden.example.fi", "kanta-reserv.sagoudden.example.fi"),
        usages={"server_auth"},
        key_usage={"digital_signature"},
        policy="1.3.6.1.4.1.32473.1.1",
    ),
    CertificateType.TEST_SERVER: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Apteekkari Urho Kuviteltu",
            "organizational_unit_name": "Onnelan VI apteekki",
            "serial_number": "9900058-7",
            "common_name": "testi.onnelan6.example.fi",
        },
        dns=("testi.onnelan6.example.fi",),
        usages={"server_auth", "client_auth"},
        key_usage={"digital_signature"},
        policy="1.3.6.1.4.1.32473.1.2",
    ),
    CertificateType.SYSTEM_SIGNATURE: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Lääkärikeskus Satulinna Oy",
            "organizational_unit_name": "Lääkärikeskus Satulinna, Onnelan toimipiste",
            "serial_number": "9900025-3",
            "common_name": "Mielikuva Potilastieto",
        },
        dns=(),
        usages=set(),
        key_usage={"digital_signature", "non_repudiation"},
        policy="1.3.6.1.4.1.32473.1.3",
    ),
    CertificateType.TEST_SYSTEM_SIGNATURE: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Unelmasilta Välityspalvelut Oy",
            "organizational_unit_name": "Unelmasilta Välityspalvelut Oy",
            "serial_number": "9900066-7",
            "common_name": "Taikasauva Apteekkijärjestelmä",
        },
        dns=(),
        usages=set(),
        key_usage={"digital_signature", "non_repudiation"},
        policy="1.3.6.1.4.1.32473.1.4",
    ),
}
"""What the certificates of the examples say, by type; an RSA key of a server is for encipherment, too."""


def facts(der: bytes) -> Facts:
    """Return the facts of a DER certificate."""
    certificate: Any = Certificate.load(der, strict=True)
    alternative = certificate.subject_alt_name_value
    extended = certificate.extended_key_usage_value
    (policy,) = certificate.certificate_policies_value.native
    return Facts(
        subject=dict(certificate.subject.native),
        dns=() if alternative is None else tuple(alternative.native),
        usages=set() if extended is None else set(extended.native),
        key_usage=set(certificate.key_usage_value.native),
        policy=policy["policy_identifier"],
    )


def verified(der: bytes, system: System, issued: CertificateIssued, request: str) -> None:
    """Assert that the certificate matches event and request, is valid for two years, and that OpenSSL verifies it."""
    certificate: Any = Certificate.load(der, strict=True)
    csr: Any = CertificationRequest.load(pem.unarmor(request.encode())[2])
    validity = certificate["tbs_certificate"]["validity"].native
    key = certificate.public_key
    assert key.dump() == csr["certification_request_info"]["subject_pk_info"].dump()
    assert sha256(key.dump()).hexdigest() == issued.key_sha256
    assert certificate.serial_number == int(issued.serial, 16) == int(issued.serial_decimal)
    assert sha256(der).hexdigest() == issued.fingerprint
    assert (validity["not_before"], validity["not_after"]) == (issued.not_before, issued.not_after)
    assert abs(validity["not_before"] - datetime.now(UTC)) < timedelta(minutes=2)
    assert validity["not_after"] == _two_years_inclusive(validity["not_before"])
    assert certificate.ca is False
    assert certificate.basic_constraints_value.native["ca"] is False
    (point,) = certificate.crl_distribution_points
    assert point.url == f"{system.crl_url}/{issued.issuer}.{issued.partition}.crl"
    with TemporaryDirectory() as folder:
        _openssl_accepts(Path(folder), der, system, issued)


def _two_years_inclusive(start: datetime) -> datetime:
    return start.replace(year=start.year + 2) - timedelta(seconds=1)


def _openssl_accepts(folder: Path, der: bytes, system: System, issued: CertificateIssued) -> None:
    issuing, root = (b64decode(each) for each in issued.chain)
    for name, content in (("certificate", der), ("issuing", issuing), ("root", root)):
        (folder / f"{name}.pem").write_bytes(pem.armor("CERTIFICATE", content))
    environment, family = issued.issuer.split("-")
    assert pem.unarmor((system.ca_folder / "roots" / f"{environment}-root-{family}.pem").read_bytes())[2] == root
    for partition in (FULL, issued.partition):
        crl = system.crl_folder / crl_name(issued.issuer, partition)
        trust = ["-CAfile", "root.pem", "-untrusted", "issuing.pem", "-CRLfile", str(crl)]
        command = ["openssl", "verify", "-x509_strict", "-crl_check", *trust, "certificate.pem"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
