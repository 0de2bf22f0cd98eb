"""What a server's names and its usages can lack: the part of the table of deficiencies that only `names` uses (A10)."""

from types import MappingProxyType

from .wording import Lack

NAMES_NOT_FOR_TYPE = Lack(
    code="names-not-for-type",
    field="names",
    sv="Ett systemsignaturcertifikat har inga servernamn eller IP-adresser. Ta bort dem, eller ansök om ett servercertifikat.",
    fi="Järjestelmäallekirjoitusvarmenteessa ei ole palvelinnimiä eikä IP-osoitteita. Poista ne tai hae palvelinvarmennetta.",
    en="A system signature certificate has no host names or IP addresses. Remove them, or apply for a server certificate.",
)
DNS_NAME_MISSING = Lack(
    code="dns-name-missing",
    field="names.dns",
    sv="Servernamnet saknas. Ange minst ett fullständigt namn, till exempel server.exempel.fi. En IP-adress kan endast anges vid sidan av ett servernamn.",
    fi="Palvelinnimi puuttuu. Anna vähintään yksi täydellinen nimi, esimerkiksi palvelin.esimerkki.fi. IP-osoitteen voi antaa vain palvelinnimen lisäksi.",
    en="The host name is missing. Give at least one full name, such as host.example.fi. An IP address can only be given beside a host name.",
)
DNS_NAME_IDN = Lack(
    code="dns-name-idn",
    field="names.dns",
    sv="Servernamnet ”{value}” har andra tecken än a–z, 0–9 och bindestreck, eller en del som börjar med xn-- men är felaktig. Skriv ett namn med å, ä, ö eller andra bokstäver i ASCII-form: lääkäri.example.fi skrivs xn--lkri-loaab.example.fi.",
    fi="Palvelinnimessä ”{value}” on muita merkkejä kuin a–z, 0–9 ja yhdysmerkki, tai virheellinen osa, jonka alussa on xn--. Kirjoita nimi, jossa on å, ä, ö tai muita kirjaimia, ASCII-muodossa: lääkäri.example.fi kirjoitetaan xn--lkri-loaab.example.fi.",
    en="The host name “{value}” has other characters than a–z, 0–9 and the hyphen, or a wrong part that begins with xn--. Write a name with å, ä, ö or other letters in its ASCII form: lääkäri.example.fi is written xn--lkri-loaab.example.fi.",
)
DNS_NAME_WILDCARD = Lack(
    code="dns-name-wildcard",
    field="names.dns",
    sv="Servernamnet ”{value}” har ett jokertecken (*), som inte godkänns. Ange varje servernamn för sig, till exempel server.exempel.fi.",
    fi="Palvelinnimessä ”{value}” on jokerimerkki (*), jota ei hyväksytä. Anna jokainen palvelinnimi erikseen, esimerkiksi palvelin.esimerkki.fi.",
    en="The host name “{value}” has a wildcard (*), which is not certified. Give each host name, such as host.example.fi.",
)
DNS_NAME_UNDERSCORE = Lack(
    code="dns-name-underscore",
    field="names.dns",
    sv="Servernamnet ”{value}” har ett understreck, som inte godkänns. Ange ett namn med bokstäver, siffror och bindestreck, till exempel server-1.exempel.fi.",
    fi="Palvelinnimessä ”{value}” on alaviiva, jota ei hyväksytä. Anna nimi, jossa on kirjaimia, numeroita ja yhdysmerkkejä, esimerkiksi palvelin-1.esimerkki.fi.",
    en="The host name “{value}” has an underscore, which is not certified. Give a name of letters, digits and hyphens, such as host-1.example.fi.",
)
DNS_NAME_LENGTH = Lack(
    code="dns-name-length",
    field="names.dns",
    sv="Servernamnet ”{value}” är för långt. Ett namn får ha högst 253 tecken, och högst 63 tecken mellan två punkter.",
    fi="Palvelinnimi ”{value}” on liian pitkä. Nimessä saa olla enintään 253 merkkiä ja kahden pisteen välissä enintään 63 merkkiä.",
    en="The host name “{value}” is too long. A name may have at most 253 characters, and at most 63 between two dots.",
)
DNS_NAME_LABELS = Lack(
    code="dns-name-labels",
    field="names.dns",
    sv="Servernamnet ”{value}” saknar domän. Ange det fullständiga namnet, till exempel server.exempel.fi.",
    fi="Palvelinnimestä ”{value}” puuttuu verkkotunnus. Anna täydellinen nimi, esimerkiksi palvelin.esimerkki.fi.",
    en="The host name “{value}” has no domain. Give the full name, such as host.example.fi.",
)
DNS_NAME_FORM = Lack(
    code="dns-name-form",
    field="names.dns",
    sv="Servernamnet ”{value}” är inte rätt skrivet. Ange endast namnet, till exempel server.exempel.fi: delar av bokstäver, siffror och bindestreck, med punkt emellan. Ingen del får börja eller sluta med bindestreck, och den sista ska vara en toppdomän såsom fi.",
    fi="Palvelinnimi ”{value}” ei ole oikein kirjoitettu. Anna pelkkä nimi, esimerkiksi palvelin.esimerkki.fi: kirjaimista, numeroista ja yhdysmerkeistä koostuvia osia, joiden välissä on piste. Osan alussa ja lopussa ei ole yhdysmerkkiä, ja viimeinen osa on ylätason verkkotunnus, kuten fi.",
    en="The host name “{value}” is not written rightly. Give the name alone, such as host.example.fi: parts of letters, digits and hyphens with dots between them. A part neither begins nor ends with a hyphen, and the last is a top-level domain such as fi.",
)
DNS_NAME_ADDRESS = Lack(
    code="dns-name-address",
    field="names.dns",
    sv="”{value}” är inget servernamn: den sista delen består av siffror. Ange en IP-adress i fältet för IP-adresser, vid sidan av ett servernamn.",
    fi="”{value}” ei ole palvelinnimi: sen viimeisessä osassa on vain numeroita. Anna IP-osoite IP-osoitteiden kentässä palvelinnimen lisäksi.",
    en="“{value}” is no host name: its last part consists of digits. Give an IP address in the field for IP addresses, beside a host name.",
)
COMMON_NAME_MISSING = Lack(
    code="common-name-missing",
    field="names.dns",
    sv="Alla servernamn har fler än 64 tecken. Ange minst ett på högst 64 tecken; det blir certifikatets namn (CN).",
    fi="Kaikissa palvelinnimissä on yli 64 merkkiä. Anna vähintään yksi enintään 64 merkin nimi; siitä tulee varmenteen nimi (CN).",
    en="All host names have more than 64 characters. Give at least one of at most 64; it becomes the certificate's name (CN).",
)
IP_ADDRESS_FORM = Lack(
    code="ip-address-form",
    field="names.ip",
    sv="”{value}” är inte en IP-adress. Ange en IPv4- eller IPv6-adress, till exempel 192.0.2.1 eller 2001:db8::1, utan prefixlängd och zon.",
    fi="”{value}” ei ole IP-osoite. Anna yksi IPv4- tai IPv6-osoite, esimerkiksi 192.0.2.1 tai 2001:db8::1, ilman etuliitteen pituutta ja vyöhykettä.",
    en="“{value}” is not an IP address. Give one IPv4 or IPv6 address, such as 192.0.2.1 or 2001:db8::1, without prefix length and zone.",
)
USAGES_MISSING = Lack(
    code="usages-missing",
    field="usages",
    sv="Certifikatets användningsändamål har inte valts. Välj serverautentisering, klientautentisering eller båda.",
    fi="Varmenteen käyttötarkoitusta ei ole valittu. Valitse palvelimen todennus, asiakkaan todennus tai molemmat.",
    en="The certificate's usage is not chosen. Choose server authentication, client authentication or both.",
)
USAGES_NOT_FOR_TYPE = Lack(
    code="usages-not-for-type",
    field="usages",
    sv="Ett systemsignaturcertifikat används endast för signering. Ta bort valen serverautentisering och klientautentisering.",
    fi="Järjestelmäallekirjoitusvarmennetta käytetään vain allekirjoittamiseen. Poista valinnat palvelimen todennus ja asiakkaan todennus.",
    en="A system signature certificate is used for signing only. Remove the choices of server and client authentication.",
)

DNS_NAMES = MappingProxyType(
    {
        lack.code: lack
        for lack in (
            DNS_NAME_IDN,
            DNS_NAME_WILDCARD,
            DNS_NAME_UNDERSCORE,
            DNS_NAME_LENGTH,
            DNS_NAME_LABELS,
            DNS_NAME_FORM,
            DNS_NAME_ADDRESS,
        )
    }
)
"""What is wrong with a host name, by the code of `servicecert_pki.names`."""
