"""Who has to do what next, in each state of a case."""

from types import MappingProxyType

from servicecert_schemas.case import CaseState
from servicecert_schemas.values import Texts

from .case import Case, is_missed, is_stopped, mails_ended

_RETURNED_WITHOUT_REQUEST = Texts(
    sv="Sökanden: rätta bristerna och komplettera ansökan. Certifikatbegäran (csr) har inte heller bifogats ännu.",
    fi="Hakija: korjaa puutteet ja täydennä hakemusta. Myöskään varmennepyyntöä (csr) ei ole vielä liitetty.",
    en="Applicant: correct the deficiencies and supplement the application. The certificate request (CSR) has not been attached yet either.",
)
_UNDELIVERED = Texts(
    sv="Certifikatet har utfärdats men kunde inte levereras till någon av e-postadresserna. Kontakta certifikattjänsten.",
    fi="Varmenne on myönnetty, mutta sitä ei voitu toimittaa yhteenkään sähköpostiosoitteeseen. Ota yhteyttä varmennepalveluun.",
    en="The certificate is issued but could not be delivered to any of the e-mail addresses. Contact the certificate service.",
)
_CORRECT_THE_ADDRESS = Texts(
    sv="Ett meddelande nådde inte fram: se leveranserna, och rätta den e-postadressen i kompletteringen.",
    fi="Viesti ei mennyt perille: katso toimitukset ja korjaa kyseinen sähköpostiosoite täydennyksessä.",
    en="A mail did not arrive: see the deliveries, and correct that e-mail address in the supplement.",
)
_ADDRESS_MISSED = Texts(
    sv="Ett meddelande nådde inte fram: se leveranserna, och meddela certifikattjänsten rätt e-postadress.",
    fi="Viesti ei mennyt perille: katso toimitukset ja ilmoita varmennepalvelulle oikea sähköpostiosoite.",
    en="A mail did not arrive: see the deliveries, and tell the certificate service the right e-mail address.",
)
_STOPPED = Texts(
    sv="Certifikattjänsten utreder ett fel hos sig innan certifikatet kan undertecknas. Du behöver inte göra något.",
    fi="Varmennepalvelu selvittää omaa vikaansa, ennen kuin varmenne voidaan allekirjoittaa. Sinun ei tarvitse tehdä mitään.",
    en="The certificate service looks into a fault of its own before the certificate can be signed. You need not do anything.",
)
_STEPS = MappingProxyType(
    {
        CaseState.SUBMITTED: Texts(
            sv="Certifikattjänsten behandlar ansökan.",
            fi="Varmennepalvelu käsittelee hakemuksen.",
            en="The certificate service handles the application.",
        ),
        CaseState.WAITING_FOR_CSR: Texts(
            sv="Sökanden eller den tekniska kontaktpersonen: bifoga certifikatbegäran (csr).",
            fi="Hakija tai tekninen yhteyshenkilö: liitä varmennepyyntö (csr).",
            en="Applicant or technical contact: attach the certificate request (CSR).",
        ),
        CaseState.RETURNED: Texts(
            sv="Sökanden: rätta bristerna och komplettera ansökan.",
            fi="Hakija: korjaa puutteet ja täydennä hakemusta.",
            en="Applicant: correct the deficiencies and supplement the application.",
        ),
        CaseState.ACCEPTED: Texts(
            sv="Certifikattjänsten utfärdar certifikatet och skickar det per e-post senast den dag som anges.",
            fi="Varmennepalvelu myöntää varmenteen ja lähettää sen sähköpostitse viimeistään ilmoitettuna päivänä.",
            en="The certificate service issues the certificate and sends it by e-mail by the day stated.",
        ),
        CaseState.ISSUED: Texts(
            sv="Certifikatet har utfärdats. Certifikattjänsten skickar det per e-post.",
            fi="Varmenne on myönnetty. Varmennepalvelu lähettää sen sähköpostitse.",
            en="The certificate is issued. The certificate service sends it by e-mail.",
        ),
        CaseState.DELIVERED: Texts(
            sv="Certifikatet har levererats. Ta det i bruk; begär att det spärras om nyckeln avslöjas eller certifikatet inte längre behövs.",
            fi="Varmenne on toimitettu. Ota se käyttöön; pyydä sen sulkemista, jos avain paljastuu tai varmennetta ei enää tarvita.",
            en="The certificate is delivered. Take it into use; request its revocation if the key is exposed or the certificate no longer needed.",
        ),
        CaseState.LAPSED: Texts(
            sv="Ärendet har förfallit. Gör en ny ansökan om certifikatet fortfarande behövs.",
            fi="Asia on rauennut. Tee uusi hakemus, jos varmennetta tarvitaan edelleen.",
            en="The case has lapsed. Apply anew if the certificate is still needed.",
        ),
        CaseState.WITHDRAWN: Texts(
            sv="Ansökan har återkallats. Ingenting mer behöver göras.",
            fi="Hakemus on peruutettu. Muuta ei tarvitse tehdä.",
            en="The application is withdrawn. Nothing more needs to be done.",
        ),
        CaseState.REFUSED: Texts(
            sv="Ansökan har avslagits av de skäl som anges. Gör en ny ansökan när de är åtgärdade.",
            fi="Hakemus on hylätty ilmoitetuista syistä. Tee uusi hakemus, kun ne on korjattu.",
            en="The application is refused for the reasons stated. Apply anew once they are mended.",
        ),
        CaseState.REVOCATION_REQUESTED: Texts(
            sv="Certifikattjänsten spärrar certifikatet inom 24 timmar från begäran. Sluta använda det.",
            fi="Varmennepalvelu sulkee varmenteen 24 tunnin kuluessa pyynnöstä. Lopeta sen käyttö.",
            en="The certificate service revokes the certificate within 24 hours of the request. Stop using it.",
        ),
        CaseState.REVOKED: Texts(
            sv="Certifikatet är spärrat och kan inte tas i bruk igen. Gör en ny ansökan om ett nytt certifikat behövs.",
            fi="Varmenne on suljettu, eikä sitä voi ottaa uudelleen käyttöön. Tee uusi hakemus, jos uutta varmennetta tarvitaan.",
            en="The certificate is revoked and cannot be taken into use again. Apply anew if a new certificate is needed.",
        ),
    }
)


_SUPPLEMENTED = (CaseState.RETURNED, CaseState.WAITING_FOR_CSR)
_WITH_THE_SERVICE = (CaseState.ACCEPTED, CaseState.ISSUED, CaseState.DELIVERED)


def next_step(case: Case, state: CaseState) -> Texts:
    """The next step of a case in `state`, and what to do where a mail did not arrive (C3)."""
    if state is CaseState.ISSUED and mails_ended(case):
        return _UNDELIVERED
    step = _step(case, state)
    if not is_missed(case):
        return step
    if state in _SUPPLEMENTED:
        return _both(step, _CORRECT_THE_ADDRESS)
    return _both(step, _ADDRESS_MISSED) if state in _WITH_THE_SERVICE else step


def _step(case: Case, state: CaseState) -> Texts:
    if state is CaseState.RETURNED and case.csr is None:
        return _RETURNED_WITHOUT_REQUEST
    if state is CaseState.ACCEPTED and is_stopped(case):
        return _STOPPED
    return _STEPS[state]


def _both(first: Texts, second: Texts) -> Texts:
    return Texts(sv=f"{first.sv} {second.sv}", fi=f"{first.fi} {second.fi}", en=f"{first.en} {second.en}")
