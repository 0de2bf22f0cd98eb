"""What is answered to a request for revocation that is not granted: why, and what to do."""

from types import MappingProxyType

from servicecert_schemas.values import Texts

NOT_STRONGLY_AUTHENTICATED = "not-strongly-authenticated"
NO_SUCH_CERTIFICATE = "no-such-certificate"
REASON_RESERVED = "reason-reserved"
ROLE_NOT_ALLOWED = "role-not-allowed"
NOT_CONFIRMED = "not-confirmed"
EXPIRED = "certificate-expired"

TEXTS = MappingProxyType(
    {
        NOT_STRONGLY_AUTHENTICATED: Texts(
            sv="Spärrning kan begäras endast av en starkt autentiserad användare. Logga in i e-tjänsten med stark autentisering och skicka begäran på nytt.",
            fi="Sulkua voi pyytää vain vahvasti tunnistettu käyttäjä. Kirjaudu verkkoasiointiin vahvasti tunnistautuneena ja lähetä pyyntö uudelleen.",
            en="A revocation is requested by a strongly authenticated user. Log in to the e-service with strong authentication and send the request again.",
        ),
        NO_SUCH_CERTIFICATE: Texts(
            sv="Beslutet har inget certifikat med det angivna serienumret. Kontrollera serienumret i beslutet eller i det e-postmeddelande som certifikatet kom med och skicka begäran på nytt.",
            fi="Päätöksessä ei ole varmennetta, jolla on annettu sarjanumero. Tarkista sarjanumero päätöksestä tai sähköpostiviestistä, jonka mukana varmenne tuli, ja lähetä pyyntö uudelleen.",
            en="Your decision has no certificate with the serial number given. Check the serial number in the decision or in the e-mail that brought the certificate, and send the request again.",
        ),
        REASON_RESERVED: Texts(
            sv="Denna spärrningsgrund använder endast utfärdaren själv. Välj en annan grund och skicka begäran på nytt.",
            fi="Tätä sulun syytä käyttää vain varmentaja itse. Valitse toinen syy ja lähetä pyyntö uudelleen.",
            en="Only the authority itself gives this reason. Choose another one and send the request again.",
        ),
        ROLE_NOT_ALLOWED: Texts(
            sv="En teknisk kontaktperson kan begära spärrning endast om den privata nyckeln har avslöjats. Välj den grunden, eller be den som beställde certifikatet att skicka begäran.",
            fi="Tekninen yhteyshenkilö voi pyytää sulkua vain, jos yksityinen avain on paljastunut. Valitse se syy tai pyydä varmenteen tilaajaa lähettämään pyyntö.",
            en="A technical contact can ask for revocation only where the private key was exposed. Choose that reason, or ask the orderer of the certificate.",
        ),
        NOT_CONFIRMED: Texts(
            sv="Utfärdarens egen spärrning gäller först när en annan handläggare har bekräftat den. Ingenting har spärrats.",
            fi="Varmentajan oma sulku tulee voimaan vasta, kun toinen käsittelijä on vahvistanut sen. Mitään ei ole suljettu.",
            en="The authority's own revocation counts only once another operator has confirmed it. Nothing is revoked.",
        ),
        EXPIRED: Texts(
            sv="Certifikatets giltighetstid har gått ut, så det behöver inte längre spärras. Ingen åtgärd krävs.",
            fi="Varmenteen voimassaoloaika on päättynyt, joten sitä ei enää tarvitse sulkea. Toimenpiteitä ei tarvita.",
            en="The certificate has expired, so it need not be revoked any more. There is nothing to do.",
        ),
    }
)
