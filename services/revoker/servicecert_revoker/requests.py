"""Whether a request for revocation is right, and what it then says (A2, D1, D2, D4). Pure."""

from datetime import datetime, timedelta
from types import MappingProxyType

from servicecert_pki.serials import serial_readings
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRefused, RevocationRequested
from servicecert_schemas.values import Texts

from .status import Asked, Certificate, Revocation

TAKES_EFFECT_WITHIN = timedelta(hours=24)
"""From when the request was sent to a published CRL, at most (D4)."""

NO_SUCH_CERTIFICATE = "no-such-certificate"
EXPIRED = "certificate-expired"

_TEXTS = MappingProxyType(
    {
        "not-strongly-authenticated": Texts(
            sv="En spärrning begärs av en starkt autentiserad användare. Logga in i e-tjänsten med stark autentisering och skicka begäran på nytt.",
            fi="Sulkua pyytää vahvasti tunnistettu käyttäjä. Kirjaudu verkkoasiointiin vahvalla tunnistautumisella ja lähetä pyyntö uudelleen.",
            en="A revocation is requested by a strongly authenticated user. Log in to the e-service with strong authentication and send the request again.",
        ),
        NO_SUCH_CERTIFICATE: Texts(
            sv="Ert beslut har inget certifikat med det angivna serienumret. Kontrollera serienumret i beslutet eller i det e-postmeddelande som certifikatet kom med och skicka begäran på nytt.",
            fi="Päätöksellänne ei ole varmennetta, jolla on annettu sarjanumero. Tarkistakaa sarjanumero päätöksestä tai sähköpostiviestistä, jossa varmenne tuli, ja lähettäkää pyyntö uudelleen.",
            en="Your decision has no certificate with the serial number given. Check the serial number in the decision or in the e-mail that brought the certificate, and send the request again.",
        ),
        "reason-reserved": Texts(
            sv="Denna spärrningsgrund använder endast utfärdaren själv. Välj en annan grund och skicka begäran på nytt.",
            fi="Tätä sulun syytä käyttää vain varmentaja itse. Valitkaa toinen syy ja lähettäkää pyyntö uudelleen.",
            en="Only the authority itself gives this reason. Choose another one and send the request again.",
        ),
        EXPIRED: Texts(
            sv="Certifikatets giltighetstid har gått ut, så det behöver inte längre spärras. Ingen åtgärd krävs.",
            fi="Varmenteen voimassaoloaika on päättynyt, joten sitä ei enää tarvitse sulkea. Toimenpiteitä ei tarvita.",
            en="The certificate has expired, so it need not be revoked any more. There is nothing to do.",
        ),
    }
)


def fault_of(request: RevocationRequested, certificate: Certificate) -> str | None:
    """The code of what is wrong with a request, None where it is right.

    Another account and another serial number have one code, and nothing is looked up, so that the answer tells nothing of certificates
    that are not the requester's (D1).
    """
    if request.actor.assurance not in (Assurance.SUBSTANTIAL, Assurance.HIGH):
        return "not-strongly-authenticated"
    own = request.actor.account_id == certificate.account_id
    if not own or not reads_as(request.serial_as_typed, certificate.serial):
        return NO_SUCH_CERTIFICATE
    if request.reason is RevocationReason.PRIVILEGE_WITHDRAWN and request.actor.role is not Role.OPERATOR:
        return "reason-reserved"
    return None


def reads_as(typed: str, serial: str) -> bool:
    """Whether a person can have meant `serial` (hexadecimal): of two readings, only the decision's own counts (D1)."""
    return int(serial, 16) in serial_readings(typed)


def refusal(request: RevocationRequested, code: str) -> RevocationRefused:
    return RevocationRefused(
        case_id=request.case_id,
        request_id=request.request_id,
        account_id=request.actor.account_id,
        in_case=True,
        code=code,
        texts=_TEXTS[code],
    )


def revocation(asked: Asked, certificate: Certificate, now: datetime) -> Revocation:
    """The revocation that a right request leads to, decided now."""
    sent = sent_at(asked, certificate, now)
    return Revocation(
        request_id=asked.request.request_id,
        reason=asked.request.reason,
        requested_at=sent,
        due=sent + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
        invalid_since=invalid_since(asked.request, certificate, now),
    )


def sent_at(asked: Asked, certificate: Certificate, now: datetime) -> datetime:
    """When the request was sent, as far as that can be: after the certificate was issued, and not after its event was written.

    Otherwise the event's own time counts, within the same bounds. The 24 hours of D4 run from here.
    """
    written = max(certificate.issued_at, min(asked.at, now))
    sent = asked.request.sent_at
    return sent if certificate.issued_at <= sent <= written else written


def invalid_since(request: RevocationRequested, certificate: Certificate, now: datetime) -> datetime | None:
    """Since when the key is known to be exposed (RFC 5280, 5.3.2): within the certificate's life so far."""
    if request.reason is not RevocationReason.KEY_EXPOSED or request.exposed_since is None:
        return None
    return max(certificate.issued_at, min(request.exposed_since, now)).replace(microsecond=0)
