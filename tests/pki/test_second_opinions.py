"""OpenSSL's command line and pkilint check certificates and CRLs of every kind."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from crls import build_crl, check_crl
from pkilint import loader, pkix
from pkilint.pkix import certificate as pkix_certificate
from pkilint.pkix import crl as pkix_crl
from pkilint.pkix import extension, name
from pkilint.validation import ValidationFindingSeverity
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import Contents, build_tbs, sign_tbs, verify_certificate
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.crl import RevokedCertificate as Revoked
from servicecert_pki.keys import SigningKey
from servicecert_pki.spki import KeyFamily

Run = Callable[..., CompletedProcess[bytes]]
MakeContents = Callable[..., Contents]

TYPES = ("server", "test-server", "system-signature", "test-system-signature")

CERTIFICATE = pkix_certificate.create_pkix_certificate_validator_container(
    pkix_certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
    [
        pkix_certificate.create_issuer_validator_container([]),
        pkix_certificate.create_validity_validator_container(),
        pkix_certificate.create_subject_validator_container([]),
        pkix_certificate.create_extensions_validator_container([]),
        pkix_certificate.create_spki_validator_container([]),
    ],
)
CRL = pkix_crl.create_pkix_crl_validator_container(
    [
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
    ],
    [
        pkix_crl.create_issuer_validator_container([]),
        pkix_crl.create_validity_validator_container([]),
        pkix_crl.create_extensions_validator_container([]),
    ],
)


def findings(document: Any, validator: Any) -> list[str]:
    """Return the codes of level warning or worse."""
    return [
        description.finding.code
        for result in validator.validate(document.root)
        for description in result.finding_descriptions
        if description.finding.severity <= ValidationFindingSeverity.WARNING
    ]


@pytest.mark.parametrize("family", KeyFamily)
@pytest.mark.parametrize("type_id", TYPES)
def test_openssl_and_pkilint_accept_each_type_until_it_is_revoked(
    make_contents: MakeContents,
    ca_keys: Mapping[str, SigningKey],
    openssl: Run,
    tmp_path: Path,
    type_id: str,
    family: KeyFamily,
) -> None:
    meant = make_contents(type_id, family)
    issuer, key = meant.issuer, ca_keys[meant.issuer.id]
    tbs = build_tbs(meant)
    certificate = sign_tbs(tbs, key)
    verify_certificate(certificate, tbs, issuer.public_key)
    assert findings(loader.RFC5280CertificateDocumentLoader().load_der_document(certificate), CERTIFICATE) == []

    now = meant.not_before + timedelta(days=1)
    for file, content in (("root", issuer.root_der), ("issuing", issuer.certificate_der), ("it", certificate)):
        openssl("x509", "-inform", "DER", "-out", tmp_path / f"{file}.pem", given=content)

    def verify(revoked: list[Revoked], number: int) -> CompletedProcess[bytes]:
        entries = [entry_der(it.serial, it.revoked_at, it.reason, it.invalidity_date) for it in revoked]
        crl = build_crl(key, issuer, now, now + timedelta(days=2), entries, number)
        check_crl(crl, issuer, number, revoked)
        assert findings(loader.RFC5280CertificateListDocumentLoader().load_der_document(crl), CRL) == []
        openssl("crl", "-inform", "DER", "-out", tmp_path / "crl.pem", given=crl)
        return openssl(
            *("verify", "-x509_strict", "-crl_check", "-attime", int(now.timestamp()) + 60),
            *("-policy", meant.profile.policy, "-explicit_policy"),
            *("-CAfile", tmp_path / "root.pem", "-untrusted", tmp_path / "issuing.pem"),
            *("-CRLfile", tmp_path / "crl.pem", tmp_path / "it.pem"),
            check=False,
        )

    other = Revoked(meant.serial + 1, now, Reason.CESSATION_OF_OPERATION)
    for revoked in ([], [other]):
        accepted = verify(revoked, 1)
        assert accepted.returncode == 0, accepted.stderr
    refused = verify([other, Revoked(meant.serial, now, Reason.KEY_COMPROMISE, meant.not_before)], 2)
    assert refused.returncode != 0
    assert b"certificate revoked" in refused.stderr


def test_pkilint_finds_nothing_in_the_issuing_cas(authority: Authority) -> None:
    for issuer in authority.issuers.values():
        for encoded in (issuer.certificate_der, issuer.root_der):
            document = loader.RFC5280CertificateDocumentLoader().load_der_document(encoded)
            assert findings(document, CERTIFICATE) == []
