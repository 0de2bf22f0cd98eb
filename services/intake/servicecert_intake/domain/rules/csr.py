"""What is wrong with the certificate request, in the applicant's words (A4)."""

from types import MappingProxyType

from ..registers.snapshot import Unit
from .application import Application
from .deficiencies import Deficiencies
from .keys import key_faults
from .wording import Lack


def _lack(code: str, sv: str, fi: str, en: str) -> Lack:
    return Lack(code=code, field="csr", sv=sv, fi=fi, en=en)


CSR_REFUSED = _lack(
    "csr-refused",
    "Certifikatbegäran godkänns inte. Gör ett nytt nyckelpar och en ny begäran.",
    "Varmennepyyntöä ei hyväksytä. Luo uusi avainpari ja uusi pyyntö.",
    "The certificate request is not accepted. Make a new key pair and a new request.",
)
FAULTS = MappingProxyType(
    {
        lack.code: lack
        for lack in (
            _lack(
                "csr-too-large",
                "Certifikatbegäran är större än 16 KiB. Skicka filen med en enda begäran.",
                "Varmennepyyntö on suurempi kuin 16 KiB. Lähetä tiedosto, jossa on vain yksi pyyntö.",
                "The certificate request is larger than 16 KiB. Send a file with one request only.",
            ),
            _lack(
                "csr-empty",
                "Filen är tom. Skicka csr-filen som skapades tillsammans med nyckeln.",
                "Tiedosto on tyhjä. Lähetä csr-tiedosto, joka luotiin avaimen kanssa.",
                "The file is empty. Send the .csr file that was made together with the key.",
            ),
            _lack(
                "csr-cut",
                "Certifikatbegäran är ofullständig: slutet saknas. Skicka hela csr-filen.",
                "Varmennepyyntö on katkennut, sen loppu puuttuu. Lähetä koko csr-tiedosto.",
                "The certificate request is cut off, its end is missing. Send the whole .csr file.",
            ),
            _lack(
                "csr-unreadable",
                "Filen är inte en certifikatbegäran (PKCS#10) i PEM- eller DER-format. Skicka csr-filen oförändrad.",
                "Tiedosto ei ole varmennepyyntö (PKCS#10) PEM- tai DER-muodossa. Lähetä csr-tiedosto sellaisenaan.",
                "The file is not a certificate request (PKCS#10) in PEM or DER. Send the .csr file unchanged.",
            ),
            _lack(
                "csr-is-certificate",
                "Filen är ett certifikat. Skicka i stället certifikatbegäran (csr-filen).",
                "Tiedosto on varmenne. Lähetä sen sijaan varmennepyyntö (csr-tiedosto).",
                "The file is a certificate. Send the certificate request (.csr) instead.",
            ),
            _lack(
                "csr-is-private-key",
                "Filen innehåller en privat nyckel, som aldrig får skickas till någon. Ta nyckeln ur bruk, gör ett nytt nyckelpar och skicka endast dess begäran.",
                "Tiedostossa on yksityinen avain, jota ei saa koskaan lähettää kenellekään. Poista avain käytöstä, luo uusi avainpari ja lähetä vain sen pyyntö.",
                "The file contains a private key, which must never be sent to anyone. Discard that key, make a new key pair and send its request only.",
            ),
            _lack(
                "csr-several",
                "Filen innehåller flera certifikatbegäranden. Gör en ansökan för varje.",
                "Tiedostossa on useita varmennepyyntöjä. Tee jokaisesta oma hakemus.",
                "The file holds several requests. Make an application for each.",
            ),
            _lack(
                "csr-weak-signature-hash",
                "Begäran är signerad med MD5 eller SHA-1. Gör den på nytt med SHA-256 eller starkare.",
                "Pyyntö on allekirjoitettu MD5- tai SHA-1-algoritmilla. Tee se uudelleen SHA-256:lla tai vahvemmalla.",
                "The request is signed with MD5 or SHA-1. Make it anew with SHA-256 or stronger.",
            ),
            _lack(
                "csr-signature-algorithm",
                "Begäran är signerad på ett sätt som inte stöds. Gör den på nytt med SHA-256.",
                "Pyynnön allekirjoitustapaa ei tueta. Tee pyyntö uudelleen SHA-256:lla.",
                "The request is signed in a way that is not supported. Make it anew with SHA-256.",
            ),
            _lack(
                "csr-signature-invalid",
                "Signaturen i begäran stämmer inte. Gör begäran på nytt med den nyckel som den gäller.",
                "Pyynnön allekirjoitus ei täsmää. Tee pyyntö uudelleen sillä avaimella, jota se koskee.",
                "The request's signature does not verify. Make the request anew with the key it is for.",
            ),
            _lack(
                "key-algorithm",
                "Nyckelns algoritm godkänns inte. Gör en RSA-nyckel på 2048, 3072 eller 4096 bitar eller en EC-nyckel på kurvan P-384.",
                "Avaimen algoritmia ei hyväksytä. Luo 2048, 3072 tai 4096 bitin RSA-avain tai EC-avain käyrällä P-384.",
                "The key's algorithm is not accepted. Make an RSA key of 2048, 3072 or 4096 bits, or an EC key on the curve P-384.",
            ),
            _lack(
                "key-encoding",
                "Den publika nyckeln är inte kodad på standardsättet. Gör begäran med ett annat program.",
                "Julkista avainta ei ole koodattu vakiomuodossa. Tee pyyntö toisella ohjelmalla.",
                "The public key is not encoded in the standard form. Make the request with another program.",
            ),
            _lack(
                "key-size",
                "RSA-nyckelns storlek godkänns inte. Gör en ny nyckel på 2048, 3072 eller 4096 bitar.",
                "RSA-avaimen kokoa ei hyväksytä. Luo uusi 2048, 3072 tai 4096 bitin avain.",
                "The size of the RSA key is not accepted. Make a new key of 2048, 3072 or 4096 bits.",
            ),
            _lack(
                "key-exponent",
                "RSA-nyckelns publika exponent ska vara 65537. Gör en ny nyckel med den.",
                "RSA-avaimen julkisen eksponentin on oltava 65537. Luo sillä uusi avain.",
                "The public exponent of the RSA key has to be 65537. Make a new key with it.",
            ),
            _lack(
                "key-curve",
                "Den elliptiska kurvan ska vara P-384 (secp384r1). Gör en ny nyckel på den kurvan.",
                "Elliptisen käyrän on oltava P-384 (secp384r1). Luo uusi avain tällä käyrällä.",
                "The elliptic curve has to be P-384 (secp384r1). Make a new key on that curve.",
            ),
            _lack(
                "key-invalid",
                "Den publika nyckeln i begäran är ingen giltig nyckel. Gör ett nytt nyckelpar och en ny begäran.",
                "Pyynnön julkinen avain ei ole kelvollinen. Luo uusi avainpari ja uusi pyyntö.",
                "The public key in the request is no valid key. Make a new key pair and a new request.",
            ),
            _lack(
                "key-explicit-curve",
                "Den elliptiska kurvan är utskriven som parametrar. Gör en ny nyckel på den namngivna kurvan P-384 (secp384r1).",
                "Elliptinen käyrä on kirjoitettu auki parametreina. Luo uusi avain nimetyllä käyrällä P-384 (secp384r1).",
                "The elliptic curve is written out as parameters. Make a new key on the named curve P-384 (secp384r1).",
            ),
            _lack(
                "key-off-curve",
                "Den publika nyckeln är ingen punkt på sin elliptiska kurva. Gör ett nytt nyckelpar och en ny begäran.",
                "Julkinen avain ei ole elliptisen käyränsä piste. Luo uusi avainpari ja uusi pyyntö.",
                "The public key is no point of its elliptic curve. Make a new key pair and a new request.",
            ),
            _lack(
                "key-roca",
                "Nyckeln är skapad av ett felaktigt chip eller programbibliotek (ROCA) och kan knäckas. Gör ett nytt nyckelpar på något annat sätt.",
                "Avain on luotu viallisella sirulla tai ohjelmakirjastolla (ROCA), ja se voidaan murtaa. Luo uusi avainpari muulla tavalla.",
                "The key was made by a faulty chip or library (ROCA) and can be broken. Make a new key pair in another way.",
            ),
            _lack(
                "key-close-primes",
                "Nyckelns primtal ligger så nära varandra att nyckeln kan knäckas. Gör ett nytt nyckelpar med ett annat program, till exempel OpenSSL.",
                "Avaimen alkuluvut ovat niin lähellä toisiaan, että avain voidaan murtaa. Luo uusi avainpari toisella ohjelmalla, esimerkiksi OpenSSL:llä.",
                "The primes of the key lie so close together that it can be broken. Make a new key pair with another program, such as OpenSSL.",
            ),
            _lack(
                "key-small-factor",
                "Nyckeln är skadad: den är delbar med ett litet tal. Gör ett nytt nyckelpar och en ny begäran.",
                "Avain on vioittunut: se on jaollinen pienellä luvulla. Luo uusi avainpari ja uusi pyyntö.",
                "The key is damaged: a small number divides it. Make a new key pair and a new request.",
            ),
            _lack(
                "key-pattern",
                "Nyckeln har ett mönster som gör att den kan knäckas. Gör ett nytt nyckelpar med ett annat program.",
                "Avaimessa on säännönmukaisuus, jonka avulla se voidaan murtaa. Luo uusi avainpari toisella ohjelmalla.",
                "The key has a pattern by which it can be broken. Make a new key pair with another program.",
            ),
            _lack(
                "key-known-prime",
                "Ett av nyckelns primtal är allmänt känt. Gör ett nytt nyckelpar på en dator med tillförlitliga slumptal.",
                "Yksi avaimen alkuluvuista on yleisesti tiedossa. Luo uusi avainpari koneella, jonka satunnaisluvut ovat luotettavia.",
                "A prime of the key is publicly known. Make a new key pair on a machine with good randomness.",
            ),
            _lack(
                "key-debian-weak",
                "Nyckeln är en av de få som Debians felaktiga OpenSSL skapade åren 2006–2008. Gör ett nytt nyckelpar med en aktuell version av OpenSSL.",
                "Avain on yksi niistä harvoista, joita Debianin viallinen OpenSSL loi vuosina 2006–2008. Luo uusi avainpari OpenSSL:n nykyisellä versiolla.",
                "The key is one of the few that Debian's faulty OpenSSL made in 2006 to 2008. Make a new key pair with a current version of OpenSSL.",
            ),
            _lack(
                "key-leaked",
                "Den privata nyckeln är allmänt känd. Gör ett nytt nyckelpar och håll den privata nyckeln hemlig.",
                "Yksityinen avain on yleisesti tiedossa. Luo uusi avainpari ja pidä yksityinen avain salassa.",
                "The private key is publicly known. Make a new key pair and keep the private key secret.",
            ),
            _lack(
                "key-compromised",
                "Nyckeln är känd som röjd och kan aldrig mer certifieras. Gör ett nytt nyckelpar och en ny begäran.",
                "Avaimen tiedetään paljastuneen, eikä sille voida enää myöntää varmennetta. Luo uusi avainpari ja uusi pyyntö.",
                "The key is known to be compromised and is never certified again. Make a new key pair and a new request.",
            ),
            _lack(
                "key-of-another-organisation",
                "Nyckeln har redan certifierats för en annan organisation. Gör ett eget nyckelpar; en privat nyckel delas inte mellan organisationer.",
                "Avaimelle on jo myönnetty varmenne toiselle organisaatiolle. Luo oma avainpari; yksityistä avainta ei jaeta organisaatioiden kesken.",
                "The key was already certified for another organisation. Make a key pair of your own; organisations do not share a private key.",
            ),
            _lack(
                "key-shared-prime",
                "Nyckeln har ett primtal gemensamt med en annan nyckel, så att båda kan knäckas. Gör ett nytt nyckelpar på en dator med tillförlitliga slumptal.",
                "Avaimella on yhteinen alkuluku toisen avaimen kanssa, joten molemmat voidaan murtaa. Luo uusi avainpari koneella, jonka satunnaisluvut ovat luotettavia.",
                "The key shares a prime with another key, so that both can be broken. Make a new key pair on a machine with good randomness.",
            ),
        )
    }
)
"""The faults of a request by the code of `servicecert_pki.csr_faults`, and those that only who knows all keys can see."""


def request(application: Application, organisation: Unit | None) -> Deficiencies:
    """Every fault of the request and of its key, if one came. A fault that this version has no words for is told in general ones."""
    if application.csr is None:
        return ()
    recorded = key_faults(application.key, None if organisation is None else organisation.business_id)
    return tuple(FAULTS.get(code, CSR_REFUSED).deficiency() for code in (*application.csr.faults, *recorded))
