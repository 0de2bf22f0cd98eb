"""What is answered to an event that did not fit its case: why nothing changed, and what to do."""

from types import MappingProxyType

from servicecert_schemas.case import CaseState

from .rules.wording import Wording

NOT_STRONGLY_AUTHENTICATED = Wording(
    "not-strongly-authenticated",
    sv="Användaren var inte starkt autentiserad. Logga in i e-tjänsten med stark autentisering och gör om det.",
    fi="Käyttäjää ei ollut tunnistettu vahvasti. Kirjaudu verkkoasiointiin vahvasti tunnistautuneena ja tee toimenpide uudelleen.",
    en="The user was not strongly authenticated. Log in to the e-service with strong authentication and do it again.",
)
NOT_A_MEMBER = Wording(
    "not-a-member",
    sv="Användaren har inte bjudits in till kundkontot. Be en kollega på kundkontot om en inbjudan och gör en ny ansökan.",
    fi="Käyttäjää ei ole kutsuttu asiakastilille. Pyydä kutsu asiakastilin jäseneltä ja tee uusi hakemus.",
    en="The user was not invited to the customer account. Ask a colleague of the account for an invitation, and apply anew.",
)
ROLE_NOT_ALLOWED = Wording(
    "role-not-allowed",
    sv="Användaren får inte göra detta i ärendet. En teknisk kontaktperson kan endast bifoga certifikatbegäran; be den som har beställt certifikatet att göra det.",
    fi="Käyttäjällä ei ole oikeutta tähän asiassa. Tekninen yhteyshenkilö voi vain liittää varmennepyynnön; pyydä varmenteen tilaajaa tekemään se.",
    en="The user may not do this in the case. A technical contact can only attach the certificate request; ask the orderer of the certificate to do it.",
)
ALREADY_SUBMITTED = Wording(
    "already-submitted",
    sv="Ansökan har redan lämnats in i detta ärende och leder till högst ett certifikat. Komplettera ärendet, eller gör en ny ansökan för ett annat certifikat.",
    fi="Hakemus on jo jätetty tässä asiassa, ja se johtaa enintään yhteen varmenteeseen. Täydennä asiaa tai tee uusi hakemus toista varmennetta varten.",
    en="An application was already submitted in this case, and it leads to at most one certificate. Supplement the case, or apply anew for another certificate.",
)
ALREADY_RECEIVED = Wording(
    "already-received",
    sv="Samma ansökan har redan tagits emot i detta ärende. Inget mer behöver göras.",
    fi="Sama hakemus on jo vastaanotettu tässä asiassa. Muuta ei tarvitse tehdä.",
    en="The same application was already received in this case. Nothing more needs to be done.",
)
NO_SUCH_CASE = Wording(
    "no-such-case",
    sv="Det finns inget ärende med detta nummer som användaren får sköta, och ingenting ändrades. Kontrollera numret, be en kollega på kundkontot om en inbjudan, eller gör en ny ansökan.",
    fi="Tällä numerolla ei ole asiaa, jota käyttäjä saa hoitaa, eikä mitään muutettu. Tarkista numero, pyydä kutsu asiakastilin jäseneltä tai tee uusi hakemus.",
    en="There is no case with this number that the user may act in, and nothing was changed. Check the number, ask a colleague of the account for an invitation, or apply anew.",
)
TOO_MANY_AT_ONCE = Wording(
    "too-many-at-once",
    sv="Flera åtgärder i ärendet väntar ännu på att behandlas, och denna ändrade ingenting. Gör om den om några minuter.",
    fi="Useita asian toimenpiteitä odottaa vielä käsittelyä, eikä tämä muuttanut mitään. Tee se uudelleen muutaman minuutin kuluttua.",
    en="Several actions in the case still wait to be handled, and this one changed nothing. Do it again in a few minutes.",
)
WITHDRAWAL_UNDER_WAY = Wording(
    "withdrawal-under-way",
    sv="Återkallelsen har tagits emot. Om undertecknandet av certifikatet inte redan har börjat är ansökan därmed återkallad; annars får du besked om att återkallelsen kom för sent.",
    fi="Peruutus on vastaanotettu. Jos varmenteen allekirjoittaminen ei ole vielä alkanut, hakemus peruutetaan; muussa tapauksessa saat tiedon siitä, että peruutus tuli liian myöhään.",
    en="The withdrawal was received. If the signing of the certificate has not begun yet, the case is withdrawn; else you are told that it came too late.",
)
_ACCEPTED = Wording(
    "too-late-accepted",
    sv="Ansökan har redan godkänts och kan inte längre ändras. Den kan återkallas tills certifikatet undertecknas; därefter kan du begära att certifikatet spärras.",
    fi="Hakemus on jo hyväksytty, eikä sitä voi enää muuttaa. Sen voi peruuttaa, kunnes varmenne allekirjoitetaan; sen jälkeen voit pyytää varmenteen sulkemista.",
    en="The application was already accepted and can no longer be changed. It can be withdrawn until the certificate is signed; after that you can request its revocation.",
)
_ISSUED = Wording(
    "too-late-issued",
    sv="Certifikatet har redan utfärdats. Gör en ny ansökan om uppgifterna ska ändras, eller begär att certifikatet spärras.",
    fi="Varmenne on jo myönnetty. Tee uusi hakemus, jos tietoja pitää muuttaa, tai pyydä varmenteen sulkemista.",
    en="The certificate was already issued. Apply anew if something has to change, or request the certificate's revocation.",
)
_REVOKED = Wording(
    "too-late-revoked",
    sv="Certifikatet i ärendet är spärrat eller håller på att spärras, och det kan inte tas i bruk igen. Gör en ny ansökan.",
    fi="Asian varmenne on suljettu tai sitä ollaan sulkemassa, eikä sitä voi ottaa uudelleen käyttöön. Tee uusi hakemus.",
    en="The certificate of the case is revoked or about to be, and cannot be taken into use again. Apply anew.",
)
_WITHDRAWN = Wording(
    "too-late-withdrawn",
    sv="Ansökan har återkallats och ärendet är avslutat. Gör en ny ansökan.",
    fi="Hakemus on peruutettu ja asia on päättynyt. Tee uusi hakemus.",
    en="The application was withdrawn and the case is closed. Apply anew.",
)
_REFUSED = Wording(
    "too-late-refused",
    sv="Ansökan har avslagits och ärendet är avslutat. Gör en ny ansökan.",
    fi="Hakemus on hylätty ja asia on päättynyt. Tee uusi hakemus.",
    en="The application was refused and the case is closed. Apply anew.",
)
_LAPSED = Wording(
    "too-late-lapsed",
    sv="Ärendet har förfallit och är avslutat. Gör en ny ansökan.",
    fi="Asia on rauennut ja päättynyt. Tee uusi hakemus.",
    en="The case has lapsed and is closed. Apply anew.",
)

TOO_LATE = MappingProxyType(
    {
        CaseState.ACCEPTED: _ACCEPTED,
        CaseState.ISSUED: _ISSUED,
        CaseState.DELIVERED: _ISSUED,
        CaseState.REVOCATION_REQUESTED: _REVOKED,
        CaseState.REVOKED: _REVOKED,
        CaseState.WITHDRAWN: _WITHDRAWN,
        CaseState.REFUSED: _REFUSED,
        CaseState.LAPSED: _LAPSED,
    }
)
"""The answer to a supplement, a request or a withdrawal in a case that is no longer open (A15)."""
