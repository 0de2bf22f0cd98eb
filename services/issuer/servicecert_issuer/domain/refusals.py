"""Why an accepted application cannot be issued, in words for the applicant."""

from dataclasses import dataclass
from types import MappingProxyType

from servicecert_schemas.values import Texts
from servicecert_worker.decider import Facts


@dataclass(frozen=True, slots=True)
class Unissuable(Facts):
    """A stable code and what to do."""

    code: str
    texts: Texts


_SUBJECT = Texts(
    sv="Certifikatet kan inte utfärdas: namnet på organisationen, enheten eller systemet ryms inte i ett certifikat eller innehåller otillåtna tecken. Gör en ny ansökan med ett namn på högst 64 tecken.",
    fi="Varmennetta ei voida myöntää: organisaation, yksikön tai järjestelmän nimi ei mahdu varmenteeseen tai sisältää kiellettyjä merkkejä. Tee uusi hakemus, jossa nimi on enintään 64 merkkiä pitkä.",
    en="The certificate cannot be issued: the name of the organisation, unit or system does not fit into a certificate or holds forbidden characters. Make a new application with a name of at most 64 characters.",
)
_NAMES = Texts(
    sv="Certifikatet kan inte utfärdas: serverns namn eller adresser kan inte certifieras. Kontrollera dem och gör en ny ansökan.",
    fi="Varmennetta ei voida myöntää: palvelimen nimiä tai osoitteita ei voida varmentaa. Tarkista ne ja tee uusi hakemus.",
    en="The certificate cannot be issued: the server's names or addresses cannot be certified. Check them and make a new application.",
)
_USAGE = Texts(
    sv="Certifikatet kan inte utfärdas: de valda användningsändamålen passar inte certifikattypen. Gör en ny ansökan med de användningsändamål som typen har.",
    fi="Varmennetta ei voida myöntää: valitut käyttötarkoitukset eivät sovi varmennetyyppiin. Tee uusi hakemus, jossa on tyypin mukaiset käyttötarkoitukset.",
    en="The certificate cannot be issued: the chosen usages do not fit its type. Make a new application with the usages that the type has.",
)
_VALIDITY = Texts(
    sv="Certifikatet kan inte utfärdas: den begärda giltighetstiden är längre än vad certifikattypen tillåter. Gör en ny ansökan med en kortare giltighetstid, eller lämna den öppen.",
    fi="Varmennetta ei voida myöntää: pyydetty voimassaoloaika on pidempi kuin varmennetyyppi sallii. Tee uusi hakemus, jossa voimassaoloaika on lyhyempi tai jätetty avoimeksi.",
    en="The certificate cannot be issued: the validity asked for is longer than its type allows. Make a new application with a shorter validity, or leave it open.",
)
_KEY = Texts(
    sv="Certifikatet kan inte utfärdas: nyckeln i certifikatbegäran är varken en RSA-nyckel eller en EC-nyckel på kurvan P-384. Gör en ny nyckel och certifikatbegäran samt en ny ansökan.",
    fi="Varmennetta ei voida myöntää: varmennepyynnön avain ei ole RSA-avain eikä P-384-käyrän EC-avain. Tee uusi avain ja varmennepyyntö sekä uusi hakemus.",
    en="The certificate cannot be issued: the key of the certificate request is neither RSA nor EC on the curve P-384. Make a new key and request, and a new application.",
)
_AUTHORITY = Texts(
    sv="Certifikatet kan inte utfärdas på grund av ett fel hos utfärdaren. Kontakta utfärdaren och uppge ärendets nummer.",
    fi="Varmennetta ei voida myöntää varmentajan virheen vuoksi. Ota yhteyttä varmentajaan ja ilmoita asian numero.",
    en="The certificate cannot be issued because of a fault on the authority's side. Contact the authority and state the number of the case.",
)

_WITHDRAWN = Texts(
    sv="Ansökan har återkallats innan certifikatet undertecknades. Inget certifikat utfärdas; gör en ny ansökan om ett certifikat ändå behövs.",
    fi="Hakemus on peruutettu ennen varmenteen allekirjoittamista. Varmennetta ei myönnetä; tee uusi hakemus, jos varmennetta kuitenkin tarvitaan.",
    en="The application was withdrawn before the certificate was signed. No certificate is issued; apply anew if one is needed after all.",
)
_VOIDED = Texts(
    sv="Certifikatet kunde inte undertecknas i tid på grund av ett fel hos utfärdaren, och ärendet har avslutats. Gör en ny ansökan; vi beklagar dröjsmålet.",
    fi="Varmennetta ei voitu allekirjoittaa ajoissa varmentajan järjestelmän vian vuoksi, ja asia on päätetty. Tee uusi hakemus; pahoittelemme viivästystä.",
    en="The certificate could not be signed in time because of a fault on the authority's side, and the case is closed. Apply anew; we are sorry for the delay.",
)
_STOPPED = Texts(
    sv="Certifikatet klarade inte kontrollen före undertecknandet, och ingenting har undertecknats. Certifikattjänsten utreder felet; du behöver inte göra något.",
    fi="Varmenne ei läpäissyt allekirjoitusta edeltävää tarkastusta, eikä mitään ole allekirjoitettu. Varmennepalvelu selvittää vian; sinun ei tarvitse tehdä mitään.",
    en="The certificate did not pass the check before signing, and nothing was signed. The certificate service looks into the fault; you need not do anything.",
)
_KEY_OF_ANOTHER = Texts(
    sv="Certifikatet kan inte utfärdas: nyckeln i certifikatbegäran har redan certifierats för en annan organisation. Gör en ny nyckel och certifikatbegäran samt en ny ansökan.",
    fi="Varmennetta ei voida myöntää: varmennepyynnön avain on jo varmennettu toiselle organisaatiolle. Tee uusi avain ja varmennepyyntö sekä uusi hakemus.",
    en="The certificate cannot be issued: the key of the certificate request was already certified for another organisation. Make a new key and request, and a new application.",
)
_KEY_COMPROMISED = Texts(
    sv="Certifikatet kan inte utfärdas: nyckeln i certifikatbegäran har avslöjats och är spärrad för alltid. Gör en ny nyckel och certifikatbegäran samt en ny ansökan.",
    fi="Varmennetta ei voida myöntää: varmennepyynnön avain on paljastunut, ja se on estetty pysyvästi. Tee uusi avain ja varmennepyyntö sekä uusi hakemus.",
    en="The certificate cannot be issued: the key of the certificate request was exposed and is blocked for ever. Make a new key and request, and a new application.",
)

_BY_CODE = MappingProxyType(
    {
        "key": _KEY,
        "names": _NAMES,
        "common-name-missing": _NAMES,
        "ip-address-form": _NAMES,
        "usage": _USAGE,
        "validity": _VALIDITY,
        "withdrawn": _WITHDRAWN,
        "voided": _VOIDED,
        "stopped": _STOPPED,
        "key-of-another-organisation": _KEY_OF_ANOTHER,
        "key-compromised": _KEY_COMPROMISED,
    }
)
_BY_PREFIX = (("text-", _SUBJECT), ("printable-", _SUBJECT), ("business-id-", _SUBJECT), ("dns-name-", _NAMES))


def unissuable(code: str) -> Unissuable:
    """The refusal with this code. One that no applicant can mend is laid at the authority's door."""
    by_prefix = (texts for prefix, texts in _BY_PREFIX if code.startswith(prefix))
    return Unissuable(code, _BY_CODE.get(code) or next(by_prefix, _AUTHORITY))


WITHDRAWN = unissuable("withdrawn")
"""The applicant withdrew in time (A15)."""

VOIDED = unissuable("voided")
"""What was intended is not signed any more (B2)."""

STOPPED = unissuable("stopped")
"""The certificate did not pass the checks; this is not the end of the case (B3)."""

KEY_OF_ANOTHER = unissuable("key-of-another-organisation")
"""Two organisations applied with one key, and the other's was intended first (A4)."""

KEY_COMPROMISED = unissuable("key-compromised")
"""The key is blocked for ever (D6)."""
