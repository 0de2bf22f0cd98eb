"""Certificates of a CA for tests, and the events that tell of them."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import AlternativeNames, Contents, Subject, build_tbs, fingerprint, sign_tbs
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import certificate_url, crl_url
from servicecert_pki.profile import Usage
from servicecert_pki.profiles import load_profiles
from servicecert_pki.spki import spki_of, spki_sha256
from servicecert_schemas.certificate import CertificateIssued

SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_000C
FROM = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
LIFE = timedelta(days=30)


def addresses(certificate: x509.Certificate) -> tuple[str, str]:
    """Return the one CRL that a certificate names, and the one certificate of its CA."""
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    (issuer,) = (it for it in access if it.access_method == AuthorityInformationAccessOID.CA_ISSUERS)
    assert point.full_name is not None
    (crl,) = point.full_name
    return crl.value, issuer.access_location.value


def certified(
    issued: CertificateIssued,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    *,
    ca: str = "test-ec",
    base: str = "http://crl.example.fi",
    serial: int = SERIAL,
    not_before: datetime = FROM,
    not_after: datetime = FROM + LIFE,
) -> CertificateIssued:
    """Return the event with a certificate that its CA signed, and that says the same as the event."""
    issuer = authority.issuer(ca)
    spki = spki_of(ec.generate_private_key(ec.SECP384R1()).public_key())
    contents = Contents(
        profile=load_profiles().by_type["test-server"],
        issuer=issuer,
        subject=Subject("Apteekki Oy", "Apteekki", "0204819-8", "kanta.example.fi"),
        names=AlternativeNames(("kanta.example.fi",)),
        usages=frozenset({Usage.SERVER_AUTH}),
        spki=spki,
        serial=serial,
        not_before=not_before,
        not_after=not_after,
        crl_url=crl_url(base, ca, 5),
        ca_issuers_url=certificate_url(base, ca),
    )
    der = sign_tbs(build_tbs(contents), ca_keys[ca])
    return issued.model_copy(
        update={
            "issuer": issuer.id,
            "serial": f"{serial:x}",
            "serial_decimal": str(serial),
            "subject": "CN=kanta.example.fi,serialNumber=0204819-8,OU=Apteekki,O=Apteekki Oy,C=FI",
            "not_before": not_before,
            "not_after": not_after,
            "fingerprint": fingerprint(der),
            "key_sha256": spki_sha256(spki),
            "partition": 5,
            "certificate": b64encode(der).decode(),
            "chain": tuple(b64encode(each).decode() for each in (issuer.certificate_der, issuer.root_der)),
        }
    )
