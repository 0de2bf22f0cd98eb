"""What a relying party learns of a certificate, at the addresses that are in it."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from .web import get, post

PROXY = "http://127.0.0.1:8080"
_NAMED = "http://pki.localhost:8080"
_CA_ISSUERS = AuthorityInformationAccessOID.CA_ISSUERS


@dataclass(frozen=True)
class Issued:
    """A certificate as its recipient gets it: the case it belongs to, and the file in the mail."""

    case_id: str
    certificate: x509.Certificate

    @property
    def crl_path(self) -> str:
        """The path of its CRL, as the certificate names it."""
        points = self.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        names = points[0].full_name or []
        return str(names[0].value).removeprefix(_NAMED)


def revoked_on_crl(issued: Issued) -> x509.RevokedCertificate | None:
    """Return its entry on its CRL. Raises OSError and ValueError."""
    crl = x509.load_der_x509_crl(get(f"{PROXY}{issued.crl_path}"))
    return crl.get_revoked_certificate_by_serial_number(issued.certificate.serial_number)


def ocsp_status(issued: Issued) -> str:
    """Return what OCSP says of it, or why it does not answer. Raises OSError and ValueError."""
    access = issued.certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    (ca,) = (str(each.access_location.value) for each in access if each.access_method == _CA_ISSUERS)
    issuer = x509.load_der_x509_certificate(get(f"{PROXY}{ca.removeprefix(_NAMED)}"))
    builder = ocsp.OCSPRequestBuilder().add_certificate(issued.certificate, issuer, hashes.SHA1())
    request = builder.build().public_bytes(serialization.Encoding.DER)
    answer = ocsp.load_der_ocsp_response(post(f"{PROXY}/ocsp", request, "application/ocsp-request"))
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return answer.response_status.name.lower()
    return answer.certificate_status.name.lower()
