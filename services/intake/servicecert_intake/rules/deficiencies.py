"""The one table of what an application can lack: code, field, and what to do in Swedish, Finnish and English (A10)."""

from types import MappingProxyType

from servicecert_schemas.case import Deficiency

from .wording import Lack, Severity

BUSINESS_ID_FORM = Lack(
    code="business-id-form",
    field="applicant.business_id",
    sv="FO-numret är inte skrivet i rätt form. Ange det med sju siffror, bindestreck och kontrollsiffra, till exempel 0204819-8.",
    fi="Y-tunnus ei ole oikeassa muodossa. Kirjoita seitsemän numeroa, yhdysviiva ja tarkistusnumero, esimerkiksi 0204819-8.",
    en="The business ID is not in the right form. Give seven digits, a hyphen and a check digit, such as 0204819-8.",
)
BUSINESS_ID_CHECK_DIGIT = Lack(
    code="business-id-check-digit",
    field="applicant.business_id",
    sv="Kontrollsiffran i FO-numret stämmer inte. Kontrollera numret och rätta skrivfelet.",
    fi="Y-tunnuksen tarkistusnumero ei täsmää. Tarkista tunnus ja korjaa kirjoitusvirhe.",
    en="The check digit of the business ID is wrong. Check the number and correct the typing error.",
)
APPLICANT_NOT_REGISTERED = Lack(
    code="applicant-not-registered",
    field="applicant.business_id",
    severity=Severity.RECHECKED,
    sv="FO-numret finns inte i kodtjänstens organisationsregister. En nyregistrerad organisation syns där först nästa dag. Kontrollera numret eller anmäl organisationen till registret.",
    fi="Y-tunnusta ei ole koodistopalvelun organisaatiorekisterissä. Uusi organisaatio näkyy rekisterissä vasta seuraavana päivänä. Tarkista tunnus tai ilmoita organisaatio rekisteriin.",
    en="The business ID is not in the code service's register of organisations. A newly registered organisation appears there the next day. Check the number, or have the organisation registered.",
)
ORGANISATION_OID_MISMATCH = Lack(
    code="organisation-oid-mismatch",
    field="applicant.organisation_oid",
    severity=Severity.RECHECKED,
    sv="Organisationens OID hör inte till det angivna FO-numret. Rätta den eller lämna fältet tomt.",
    fi="Organisaation OID-tunnus ei kuulu annetulle Y-tunnukselle. Korjaa se tai jätä kenttä tyhjäksi.",
    en="The organisation OID does not belong to the business ID given. Correct it or leave the field empty.",
)
CAPACITY_MISMATCH = Lack(
    code="capacity-mismatch",
    field="applying_as",
    severity=Severity.RECHECKED,
    sv="Organisationen är inte registrerad i kodtjänsten i den egenskap som ansökan anger. Välj den egenskap som organisationen är registrerad i.",
    fi="Organisaatiota ei ole rekisteröity koodistopalveluun siinä roolissa, joka hakemuksessa on valittu. Valitse rooli, jossa organisaatio on rekisteröity.",
    en="The organisation is not registered in the code service in the capacity that the application states. Choose the capacity in which it is registered.",
)
SUPPLIER_CANNOT_APPLY = Lack(
    code="supplier-cannot-apply",
    field="applying_as",
    severity=Severity.REFUSED,
    sv="Ett systemsignaturcertifikat söks och ansökan undertecknas av den serviceleverantör inom social- och hälsovården som administrerar datasystemet, även när det tekniska underhållet har lagts ut. Be serviceleverantören göra en egen ansökan; ni kan bjudas in som teknisk kontakt.",
    fi="Järjestelmäallekirjoitusvarmennetta hakee ja hakemuksen allekirjoittaa se sosiaali- ja terveydenhuollon palvelunantaja, joka hallinnoi tietojärjestelmää, myös silloin, kun tekninen ylläpito on ulkoistettu. Pyydä palvelunantajaa tekemään oma hakemus; teidät voidaan kutsua tekniseksi yhteyshenkilöksi.",
    en="A system signature certificate is applied for and signed by the care provider that administers the information system, even where its technical upkeep is outsourced. Ask the care provider to apply; you can be invited as its technical contact.",
)
SIGNATORY_MISSING = Lack(
    code="signatory-missing",
    field="signatory",
    sv="Ansökan saknar underskrift. Ange namn och titel för den som undertecknar för den organisation som administrerar datasystemet, och när ansökan undertecknades.",
    fi="Hakemuksesta puuttuu allekirjoitus. Ilmoita tietojärjestelmää hallinnoivan organisaation allekirjoittajan nimi ja asema sekä allekirjoitusaika.",
    en="The application is not signed. Give the name and title of the person who signs for the organisation that administers the information system, and when it was signed.",
)
INTERMEDIARY_NOT_LISTED = Lack(
    code="intermediary-not-listed",
    field="applying_as",
    severity=Severity.RECHECKED,
    sv="Organisationen finns inte i THL:s register över Kanta-förmedlare. Välj en annan egenskap eller anmäl organisationen till registret först.",
    fi="Organisaatiota ei ole THL:n Kanta-välittäjien rekisterissä. Valitse toinen rooli tai ilmoita organisaatio ensin rekisteriin.",
    en="The organisation is not in THL's register of Kanta intermediaries. Choose another capacity, or have the organisation listed first.",
)
INTERMEDIARY_MARK_MISSING = Lack(
    code="intermediary-mark-missing",
    field="technical_contact.organisation",
    sv="En Kanta-förmedlare ska ange ”Kanta-förmedlare” som den tekniska kontaktpersonens organisation. Rätta fältet.",
    fi="Kanta-välittäjän on kirjoitettava teknisen yhteyshenkilön organisaatioksi ”Kanta-välittäjä”. Korjaa kenttä.",
    en="A Kanta intermediary has to give “Kanta-förmedlare” or “Kanta-välittäjä” as the technical contact's organisation. Correct the field.",
)
INTERMEDIARY_MARK_UNFOUNDED = Lack(
    code="intermediary-mark-unfounded",
    field="technical_contact.organisation",
    severity=Severity.RECHECKED,
    sv="Den tekniska kontaktpersonens organisation anges som Kanta-förmedlare, men den sökande finns inte i THL:s register över Kanta-förmedlare. Ange organisationens namn.",
    fi="Teknisen yhteyshenkilön organisaatioksi on merkitty Kanta-välittäjä, mutta hakija ei ole THL:n Kanta-välittäjien rekisterissä. Kirjoita organisaation nimi.",
    en="The technical contact's organisation is given as Kanta intermediary, but the applicant is not in THL's register of Kanta intermediaries. Give the organisation's name.",
)
UNIT_NOT_FOUND = Lack(
    code="unit-not-found",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Organisationsenhetens namn finns inte i kodtjänsten. Skriv det långa namnet exakt så som det står där.",
    fi="Organisaatioyksikön nimeä ei ole koodistopalvelussa. Kirjoita pitkä nimi täsmälleen niin kuin se on siellä.",
    en="The name of the organisational unit is not in the code service. Write the long name exactly as it stands there.",
)
UNIT_NOT_FOUND_BUT_CLOSE = Lack(
    code="unit-not-found",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Organisationsenhetens namn finns inte i kodtjänsten. Skriv det långa namnet exakt så som det står där. De närmaste namnen är: {suggestions}.",
    fi="Organisaatioyksikön nimeä ei ole koodistopalvelussa. Kirjoita pitkä nimi täsmälleen niin kuin se on siellä. Lähimmät nimet ovat: {suggestions}.",
    en="The name of the organisational unit is not in the code service. Write the long name exactly as it stands there. The closest names are: {suggestions}.",
)
UNIT_OF_ANOTHER = Lack(
    code="unit-of-another-organisation",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Organisationsenheten hör enligt kodtjänsten till en annan organisation. Kontrollera enhetens namn och FO-numret.",
    fi="Organisaatioyksikkö kuuluu koodistopalvelun mukaan toiselle organisaatiolle. Tarkista yksikön nimi ja Y-tunnus.",
    en="According to the code service the organisational unit belongs to another organisation. Check the unit's name and the business ID.",
)
UNIT_NAME_TOO_LONG = Lack(
    code="unit-name-too-long",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Enhetens långa namn ryms inte i ett certifikat (högst 64 tecken) och kodtjänsten har ingen förkortning som ryms. Be att få en förkortning införd i kodtjänsten.",
    fi="Yksikön pitkä nimi ei mahdu varmenteeseen (enintään 64 merkkiä), eikä koodistopalvelussa ole mahtuvaa lyhennettä. Pyydä lyhenteen lisäämistä koodistopalveluun.",
    en="The unit's long name does not fit a certificate (at most 64 characters), and the code service has no abbreviation that does. Have an abbreviation entered in the code service.",
)
ORGANISATION_NAME_TOO_LONG = Lack(
    code="organisation-name-too-long",
    field="applicant.business_id",
    severity=Severity.RECHECKED,
    sv="Organisationens registrerade namn ryms inte i ett certifikat (högst 64 tecken) och kodtjänsten har ingen förkortning som ryms. Be att få en förkortning införd i kodtjänsten.",
    fi="Organisaation rekisteröity nimi ei mahdu varmenteeseen (enintään 64 merkkiä), eikä koodistopalvelussa ole mahtuvaa lyhennettä. Pyydä lyhenteen lisäämistä koodistopalveluun.",
    en="The organisation's registered name does not fit a certificate (at most 64 characters), and the code service has no abbreviation that does. Have an abbreviation entered in the code service.",
)
SYSTEM_NAME_UNFIT = Lack(
    code="system-name-unfit",
    field="information_system.name",
    sv="Datasystemets namn ryms inte i ett certifikat. Ange ett namn på 1–64 tecken utan radbrytningar och osynliga tecken.",
    fi="Tietojärjestelmän nimi ei sovi varmenteeseen. Anna 1–64 merkin nimi ilman rivinvaihtoja ja näkymättömiä merkkejä.",
    en="The information system's name does not fit a certificate. Give a name of 1 to 64 characters without line breaks and invisible characters.",
)
NAMES_NOT_FOR_TYPE = Lack(
    code="names-not-for-type",
    field="names",
    sv="Ett systemsignaturcertifikat har inga värdnamn eller IP-adresser. Ta bort dem, eller ansök om ett servercertifikat.",
    fi="Järjestelmäallekirjoitusvarmenteessa ei ole palvelinnimiä eikä IP-osoitteita. Poista ne tai hae palvelinvarmennetta.",
    en="A system signature certificate has no host names or IP addresses. Remove them, or apply for a server certificate.",
)
DNS_NAME_MISSING = Lack(
    code="dns-name-missing",
    field="names.dns",
    sv="Ansökan saknar värdnamn. Ange minst ett; en IP-adress kan endast anges vid sidan av ett värdnamn.",
    fi="Hakemuksesta puuttuu palvelimen nimi. Anna vähintään yksi; IP-osoitteen voi antaa vain palvelimen nimen lisäksi.",
    en="The application has no host name. Give at least one; an IP address can only be given beside a host name.",
)
DNS_NAME_IDN = Lack(
    code="dns-name-idn",
    field="names.dns",
    sv="Värdnamnet ”{value}” har bokstäver utanför a–z eller en felaktig xn---form. Skriv det internationaliserade namnet i sin rätta ASCII-form (xn--…).",
    fi="Palvelimen nimessä ”{value}” on muita kirjaimia kuin a–z tai virheellinen xn---muoto. Kirjoita kansainvälinen nimi oikeassa ASCII-muodossaan (xn--…).",
    en="The host name “{value}” has letters outside a–z or a wrong xn-- form. Write the internationalised name in its right ASCII form (xn--…).",
)
DNS_NAME_WILDCARD = Lack(
    code="dns-name-wildcard",
    field="names.dns",
    sv="Värdnamnet ”{value}” har ett jokertecken. Jokertecken godkänns inte; ange varje värdnamn för sig.",
    fi="Palvelimen nimessä ”{value}” on jokerimerkki. Jokerimerkkejä ei hyväksytä; luettele jokainen nimi erikseen.",
    en="The host name “{value}” has a wildcard. Wildcards are not certified; list every host name.",
)
DNS_NAME_UNDERSCORE = Lack(
    code="dns-name-underscore",
    field="names.dns",
    sv="Värdnamnet ”{value}” har ett understreck. Använd bindestreck.",
    fi="Palvelimen nimessä ”{value}” on alaviiva. Käytä yhdysviivaa.",
    en="The host name “{value}” has an underscore. Use a hyphen.",
)
DNS_NAME_LENGTH = Lack(
    code="dns-name-length",
    field="names.dns",
    sv="Värdnamnet ”{value}” är för långt. Det får ha högst 253 tecken, och högst 63 mellan två punkter.",
    fi="Palvelimen nimi ”{value}” on liian pitkä. Siinä saa olla enintään 253 merkkiä, ja enintään 63 kahden pisteen välissä.",
    en="The host name “{value}” is too long. It may have at most 253 characters, and 63 between two dots.",
)
DNS_NAME_LABELS = Lack(
    code="dns-name-labels",
    field="names.dns",
    sv="Värdnamnet ”{value}” saknar domän. Ange det fullständiga namnet, till exempel server.exempel.fi.",
    fi="Palvelimen nimestä ”{value}” puuttuu verkkotunnus. Anna täydellinen nimi, esimerkiksi palvelin.esimerkki.fi.",
    en="The host name “{value}” has no domain. Give the full name, such as host.example.fi.",
)
DNS_NAME_FORM = Lack(
    code="dns-name-form",
    field="names.dns",
    sv="Värdnamnet ”{value}” är inte rätt skrivet. Det består av bokstäver, siffror och bindestreck inuti delarna, med en punkt mellan delarna.",
    fi="Palvelimen nimi ”{value}” ei ole oikein kirjoitettu. Siinä on kirjaimia, numeroita ja osien sisällä yhdysviivoja, ja osien välissä yksi piste.",
    en="The host name “{value}” is not written rightly. It consists of letters, digits and inner hyphens, with single dots between its parts.",
)
DNS_NAME_ADDRESS = Lack(
    code="dns-name-address",
    field="names.dns",
    sv="”{value}” är en IP-adress. Ange den i fältet för IP-adresser, vid sidan av ett värdnamn.",
    fi="”{value}” on IP-osoite. Anna se IP-osoitteiden kentässä palvelimen nimen lisäksi.",
    en="“{value}” is an IP address. Give it in the field for IP addresses, beside a host name.",
)
COMMON_NAME_MISSING = Lack(
    code="common-name-missing",
    field="names.dns",
    sv="Inget av värdnamnen har högst 64 tecken. Ange minst ett sådant; det blir certifikatets namn.",
    fi="Yksikään palvelimen nimistä ei ole enintään 64 merkin pituinen. Anna vähintään yksi sellainen; siitä tulee varmenteen nimi.",
    en="None of the host names has at most 64 characters. Give at least one that does; it becomes the certificate's name.",
)
IP_ADDRESS_FORM = Lack(
    code="ip-address-form",
    field="names.ip",
    sv="”{value}” är inte en IP-adress. Ange en IPv4- eller IPv6-adress utan prefixlängd och zon.",
    fi="”{value}” ei ole IP-osoite. Anna IPv4- tai IPv6-osoite ilman etuliitteen pituutta ja vyöhykettä.",
    en="“{value}” is not an IP address. Give one IPv4 or IPv6 address, without prefix length or zone.",
)
USAGES_MISSING = Lack(
    code="usages-missing",
    field="usages",
    sv="Certifikatets användning är inte vald. Välj serverautentisering, klientautentisering eller båda.",
    fi="Varmenteen käyttötarkoitusta ei ole valittu. Valitse palvelimen todennus, asiakkaan todennus tai molemmat.",
    en="The certificate's usage is not chosen. Choose server authentication, client authentication or both.",
)
USAGES_NOT_FOR_TYPE = Lack(
    code="usages-not-for-type",
    field="usages",
    sv="Ett systemsignaturcertifikat används endast för signering. Ta bort valen av server- och klientautentisering.",
    fi="Järjestelmäallekirjoitusvarmennetta käytetään vain allekirjoittamiseen. Poista palvelimen ja asiakkaan todennuksen valinnat.",
    en="A system signature certificate is used for signing only. Remove the choices of server and client authentication.",
)
SYSTEM_MISSING = Lack(
    code="information-system-missing",
    field="information_system",
    sv="Ansökan anger inte vilket datasystem certifikatet är för. Ange systemets namn och id i registret över datasystem.",
    fi="Hakemuksessa ei kerrota, mitä tietojärjestelmää varmenne koskee. Anna järjestelmän nimi ja tunnus tietojärjestelmärekisterissä.",
    en="The application does not say which information system the certificate is for. Give the system's name and its id in the register of information systems.",
)
CONFORMITY_MISSING = Lack(
    code="conformity-certificate-missing",
    field="attachments",
    sv="Den som söker för privat social- och hälsovård ska bifoga datasystemets intyg om överensstämmelse. Bifoga intyget.",
    fi="Yksityisen sosiaali- ja terveydenhuollon hakijan on liitettävä tietojärjestelmän vaatimustenmukaisuustodistus. Liitä todistus.",
    en="An applicant from private social or health care has to attach the information system's conformity certificate. Attach it.",
)
CONFORMITY_OTHER_SYSTEM = Lack(
    code="conformity-certificate-other-system",
    field="attachments",
    sv="Det bifogade intyget om överensstämmelse gäller ett annat datasystem. Bifoga intyget för det system som ansökan gäller.",
    fi="Liitetty vaatimustenmukaisuustodistus koskee toista tietojärjestelmää. Liitä hakemuksen järjestelmän todistus.",
    en="The conformity certificate attached is for another information system. Attach that of the system applied for.",
)
CONFORMITY_NOT_VALID = Lack(
    code="conformity-certificate-not-valid",
    field="attachments",
    sv="Det bifogade intyget om överensstämmelse är inte i kraft. Bifoga ett intyg som är i kraft i dag.",
    fi="Liitetty vaatimustenmukaisuustodistus ei ole voimassa. Liitä tänään voimassa oleva todistus.",
    en="The conformity certificate attached is not in force. Attach one that is in force today.",
)
CONFORMITY_UNKNOWN = Lack(
    code="conformity-certificate-unknown",
    field="attachments",
    severity=Severity.RECHECKED,
    sv="Det bifogade intyget om överensstämmelse finns inte som giltigt i registret över datasystem. Kontrollera intygets nummer och systemets id.",
    fi="Liitettyä vaatimustenmukaisuustodistusta ei ole voimassa olevana tietojärjestelmärekisterissä. Tarkista todistuksen numero ja järjestelmän tunnus.",
    en="The conformity certificate attached is not in force in the register of information systems. Check the certificate's number and the system's id.",
)
EMAIL_WRONG = Lack(
    code="email-wrong",
    field="orderer.email",
    sv="E-postadressen är inte rätt skriven. Certifikatet levereras per e-post: ange en adress, till exempel namn@exempel.fi.",
    fi="Sähköpostiosoite ei ole oikein kirjoitettu. Varmenne toimitetaan sähköpostitse: anna yksi osoite, esimerkiksi nimi@esimerkki.fi.",
    en="The e-mail address is not written rightly. The certificate is delivered by e-mail: give one address, such as name@example.fi.",
)
START_DATE_PAST = Lack(
    code="start-date-past",
    field="start_date",
    sv="Startdagen har redan passerats. Ange en dag från och med i dag, eller lämna fältet tomt.",
    fi="Alkamispäivä on jo mennyt. Anna tämä tai myöhempi päivä tai jätä kenttä tyhjäksi.",
    en="The start date has passed. Give today or a later day, or leave the field empty.",
)
START_DATE_TOO_LATE = Lack(
    code="start-date-too-late",
    field="start_date",
    sv="Startdagen får vara högst {days} dagar fram i tiden. Ange en tidigare dag, eller ansök senare.",
    fi="Alkamispäivä voi olla enintään {days} päivän päässä. Anna aikaisempi päivä tai hae myöhemmin.",
    en="The start date may be at most {days} days ahead. Give an earlier day, or apply later.",
)
VALIDITY_TOO_LONG = Lack(
    code="validity-too-long",
    field="validity_days",
    sv="Certifikatet kan gälla i högst {days} dagar. Ange ett mindre antal, eller lämna fältet tomt för den längsta giltighetstiden.",
    fi="Varmenne voi olla voimassa enintään {days} päivää. Anna pienempi määrä tai jätä kenttä tyhjäksi, jolloin voimassaoloaika on pisin mahdollinen.",
    en="The certificate can be valid for at most {days} days. Give fewer, or leave the field empty for the longest validity.",
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

Deficiencies = tuple[Deficiency, ...]
"""What a rule finds: none where the rule is kept. A rule that also finds a value gives both, and no value where there are deficiencies."""
