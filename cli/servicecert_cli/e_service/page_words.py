"""The texts of the customer's page in Swedish, Finnish and English, with the authority's terms."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState, NextActor
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.open_list import UnknownMember, value_of
from servicecert_schemas.values import CertificateType, Language, Texts

M = TypeVar("M", bound=StrEnum)


def _words(sv: str, fi: str, en: str) -> Texts:
    return Texts(sv=sv, fi=fi, en=en)


TITLE = _words(
    "Beviljade tillstånd och ofullbordade ärenden",
    "Myönnetyt luvat ja keskeneräiset asiat",
    "Granted permits and unfinished matters",
)
GRANTED = _words("Beviljade tillstånd", "Myönnetyt luvat", "Granted permits")
UNFINISHED = _words("Ofullbordade ärenden", "Keskeneräiset asiat", "Unfinished matters")
CLOSED = _words("Avslutade ärenden", "Päättyneet asiat", "Closed matters")
NONE = _words("Inga", "Ei yhtään", "None")
DECISION = _words("Beslut", "Päätös", "Decision")
MATTER = _words("Ärende", "Asia", "Matter")
APPLICANT = _words("Sökande", "Hakija", "Applicant")
APPLIED_FOR = _words("Ansökan gäller", "Hakemus koskee", "Applied for")
REFERENCE = _words("Din referens", "Viitteesi", "Your reference")
STATE = _words("Läge", "Tila", "State")
NEXT = _words("Nästa steg", "Seuraavaksi", "Next")
WAITS_FOR = _words("Väntar på", "Odottaa", "Waits for")
DUE = _words("Leverans senast", "Toimitus viimeistään", "Delivery by")
LAPSES = _words("Ska kompletteras senast", "Täydennettävä viimeistään", "To be completed by the end of")
CERTIFICATE = _words("Certifikat", "Varmenne", "Certificate")
SUBJECT = _words("Innehavare", "Haltija", "Subject")
SERIAL = _words("Serienummer", "Sarjanumero", "Serial number")
DECIMAL = _words("decimalt", "desimaalina", "in decimal")
VALID = _words("Giltigt", "Voimassa", "Valid")
VALID_UNTIL = _words("gäller till", "voimassa", "valid until")
FINGERPRINT = _words("SHA-256-fingeravtryck", "SHA-256-tiiviste", "SHA-256 fingerprint")
ISSUER = _words("Utfärdare", "Myöntäjä", "Issuer")
DELIVERY = _words("Leverans", "Toimitus", "Delivery")
UNDELIVERED = _words("kunde inte levereras", "ei voitu toimittaa", "could not be delivered")
DEFICIENCIES = _words("Att rätta", "Korjattavaa", "To mend")
RENEWAL = _words("Förnyelse", "Uusiminen", "Renewal")
ANSWER = _words("Svar", "Vastaus", "Answer")
REVOCATION = _words("Spärrning", "Sulku", "Revocation")
HISTORY = _words("Händelser", "Tapahtumat", "History")
REQUEST_REVOCATION = _words(
    "Gör begäran om spärrning av certifikatet", "Tee varmenteen sulkupyyntö", "Request the certificate's revocation"
)
FINAL = _words(
    "Ett spärrat certifikat kan inte tas i bruk igen.",
    "Suljettua varmennetta ei voi ottaa uudelleen käyttöön.",
    "A revoked certificate cannot be taken into use again.",
)
OPEN = _words("Öppna beslutet", "Avaa päätös", "Open the decision")

STATES = MappingProxyType(
    {
        CaseState.SUBMITTED: _words("under behandling", "käsittelyssä", "being handled"),
        CaseState.WAITING_FOR_CSR: _words("väntar på certifikatbegäran", "odottaa varmennepyyntöä", "waiting for CSR"),
        CaseState.RETURNED: _words("ska kompletteras", "täydennettävänä", "returned"),
        CaseState.ACCEPTED: _words("godkänt", "hyväksytty", "accepted"),
        CaseState.ISSUED: _words("utfärdat", "myönnetty", "issued"),
        CaseState.DELIVERED: _words("levererat", "toimitettu", "delivered"),
        CaseState.LAPSED: _words("förfallet", "rauennut", "lapsed"),
        CaseState.WITHDRAWN: _words("återkallat", "peruutettu", "withdrawn"),
        CaseState.REFUSED: _words("avslaget", "hylätty", "refused"),
        CaseState.REVOCATION_REQUESTED: _words("spärrning begärd", "sulkua pyydetty", "revocation requested"),
        CaseState.REVOKED: _words("spärrat", "suljettu", "revoked"),
    }
)
TYPES = MappingProxyType(
    {
        CertificateType.SERVER: _words("Servercertifikat", "Palvelinvarmenne", "Server certificate"),
        CertificateType.TEST_SERVER: _words(
            "Test-servercertifikat", "Testipalvelinvarmenne", "Test server certificate"
        ),
        CertificateType.SYSTEM_SIGNATURE: _words(
            "Systemsignaturcertifikat", "Järjestelmäallekirjoitusvarmenne", "System signature certificate"
        ),
        CertificateType.TEST_SYSTEM_SIGNATURE: _words(
            "Test-systemsignaturcertifikat",
            "Testijärjestelmäallekirjoitusvarmenne",
            "Test system signature certificate",
        ),
    }
)
ROLES = MappingProxyType(
    {
        RecipientRole.ORDERER: _words("beställaren", "tilaaja", "orderer"),
        RecipientRole.TECHNICAL_CONTACT: _words("teknisk kontaktperson", "tekninen yhteyshenkilö", "technical contact"),
        RecipientRole.SHARED_MAILBOX: _words("gemensam brevlåda", "yhteispostilaatikko", "shared mailbox"),
        RecipientRole.REQUESTER: _words("den som begärde spärrningen", "sulkupyynnön lähettäjä", "requester"),
    }
)
ACTORS = MappingProxyType(
    {
        NextActor.APPLICANT: _words("sökanden", "hakijaa", "the applicant"),
        NextActor.TECHNICAL_CONTACT: _words(
            "den tekniska kontaktpersonen", "teknistä yhteyshenkilöä", "the technical contact"
        ),
        NextActor.AUTHORITY: _words("myndigheten", "viranomaista", "the authority"),
    }
)


def named(words: Mapping[M, Texts], member: M | UnknownMember) -> Texts:
    """Return the words for a state, a role or who acts next. An unknown one has its identifier, in every language."""
    return value_of(words, member, _words(member, member, member))


def day(moment: datetime, language: Language) -> str:
    """Return the day in Finland, in the language's format."""
    local = moment.astimezone(HELSINKI)
    return f"{local:%-d %b %Y}" if language is Language.ENGLISH else f"{local:%-d.%-m.%Y}"


def moment(when: datetime, language: Language) -> str:
    """Return the day and time in Finland, in the language's format."""
    return f"{day(when, language)} {when.astimezone(HELSINKI):%H:%M}"
