"""The canary as a customer: its account, its application and its key, which it forgets at once."""

from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from servicecert_pki.spki import spki_of, spki_sha256
from servicecert_schemas.application import Applicant, Application, ApplyingAs, Names, Orderer, TechnicalContact
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.values import CertificateType, Language, Usage

from ...operations.applications import colleague
from ..settings import CanarySettings
from .domain.certificate import Wanted
from .domain.views import ENDS

CANARY = colleague("canary", "canary")
TYPE = CertificateType.TEST_SERVER
DNS = "canary.authority.example.fi"
DAYS = 1
"""The shortest validity: what no run could revoke ends by itself, and CRLs forget it."""

_NAME = "Canary"
_WITHDRAWAL_ASKED = "withdrawal-under-way"


def application(settings: CanarySettings) -> Application:
    """Return the application. A system supplier may be any organisation that the registers have."""
    return Application(
        type=TYPE,
        language=Language.ENGLISH,
        applying_as=ApplyingAs.IT_SUPPLIER,
        applicant=Applicant(business_id=settings.business_id),
        unit_long_name=settings.unit,
        names=Names(dns=(DNS,)),
        usages=(Usage.SERVER_AUTH,),
        orderer=Orderer(name=_NAME, email=settings.mail),
        technical_contact=TechnicalContact(name=_NAME, email=settings.mail, organisation=_NAME),
        validity_days=DAYS,
    )


def request(application: Application) -> tuple[str, Wanted]:
    """Return a certificate request in PEM with a new key, and what its certificate is to say."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DNS)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA384())
    wanted = Wanted(application, spki_sha256(spki_of(key.public_key())))
    return made.public_bytes(Encoding.PEM).decode(), wanted


def revocation(case_id: UUID, serial: str) -> RevocationRequested:
    return CANARY.revocation(case_id, serial, RevocationReason.NO_LONGER_NEEDED)


def ending(view: CaseChanged) -> EventData | None:
    """Return what asks for the end of a case, so that it leaves nothing valid; None if it has ended, or was asked."""
    if view.revocation is not None or view.state in ENDS:
        return None
    if view.certificate is not None:
        return revocation(view.case_id, view.certificate.serial)
    is_asked = view.answer is not None and view.answer.code == _WITHDRAWAL_ASKED
    return None if is_asked else CANARY.withdrawn(view.case_id)
