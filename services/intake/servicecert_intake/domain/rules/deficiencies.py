"""The table of what an application can lack: code, field, and what to do in Swedish, Finnish and English (A10).

What names and usages of a server can lack is in `server_deficiencies`, what a request can in `csr`; `catalogue` has all of it. The texts are code, so
that each is known by its name where a rule uses it; docs/deficiencies.md shows them to whoever reads them only.
"""

from servicecert_schemas.case import Deficiency

from .wording import Lack, Severity

BUSINESS_ID_FORM = Lack(
    code="business-id-form",
    field="applicant.business_id",
    sv="FO-numret är inte rätt skrivet. Ange det med sju siffror, bindestreck och kontrollsiffra, till exempel 0204819-8.",
    fi="Y-tunnus ei ole oikein kirjoitettu. Anna seitsemän numeroa, väliviiva ja tarkistusmerkki, esimerkiksi 0204819-8.",
    en="The business ID is not written rightly. Give seven digits, a hyphen and a check digit, such as 0204819-8.",
)
BUSINESS_ID_CHECK_DIGIT = Lack(
    code="business-id-check-digit",
    field="applicant.business_id",
    sv="Kontrollsiffran i FO-numret stämmer inte. Kontrollera numret i företags- och organisationsdatasystemet (FODS) och rätta det.",
    fi="Y-tunnuksen tarkistusmerkki ei täsmää. Tarkista tunnus yritys- ja yhteisötietojärjestelmästä (YTJ) ja korjaa se.",
    en="The check digit of the business ID is wrong. Look it up in the Business Information System (YTJ) and correct it.",
)
APPLICANT_NOT_REGISTERED = Lack(
    code="applicant-not-registered",
    field="applicant.business_id",
    severity=Severity.RECHECKED,
    sv="FO-numret finns inte i kodtjänstens organisationsregister. Kontrollera att numret är rätt. Om organisationen nyss har registrerats behöver ingenting göras: registret kontrolleras på nytt varje natt. Annars ska organisationen anmälas till registret.",
    fi="Y-tunnusta ei ole koodistopalvelun organisaatiorekisterissä. Tarkista, että tunnus on oikein. Jos organisaatio on rekisteröity äskettäin, mitään ei tarvitse tehdä: rekisteri tarkistetaan uudelleen joka yö. Muussa tapauksessa organisaatio on ilmoitettava rekisteriin.",
    en="The business ID is not in the code service's register of organisations. Check that it is right. If the organisation was registered only lately, nothing needs to be done: the register is read again every night. Otherwise have the organisation entered in the register.",
)
APPLICANT_OF_ANOTHER_ACCOUNT = Lack(
    code="applicant-of-another-account",
    field="applicant.business_id",
    sv="FO-numret hör inte till den organisation som kundkontot gäller. Rätta FO-numret, eller ansök från den sökande organisationens eget kundkonto.",
    fi="Y-tunnus ei kuulu organisaatiolle, jolle asiakastili on avattu. Korjaa Y-tunnus tai tee hakemus hakijaorganisaation omalta asiakastililtä.",
    en="The business ID is not that of the organisation which the customer account belongs to. Correct it, or apply from the applicant organisation's own account.",
)
FOLLOWS_UNKNOWN = Lack(
    code="follows-unknown",
    field="follows",
    sv="Organisationen har inget certifikat med det serienummer som ansökan anger som det tidigare certifikatets. Kontrollera serienumret eller lämna fältet tomt.",
    fi="Organisaatiolla ei ole varmennetta, jonka sarjanumero hakemuksessa on ilmoitettu aiemman varmenteen sarjanumeroksi. Tarkista sarjanumero tai jätä kenttä tyhjäksi.",
    en="The organisation has no certificate with the serial number that the application gives as the earlier certificate's. Check it, or leave the field empty.",
)
ORGANISATION_OID_MISMATCH = Lack(
    code="organisation-oid-mismatch",
    field="applicant.organisation_oid",
    severity=Severity.RECHECKED,
    sv="OID-koden hör inte till organisationen med det FO-nummer som har angetts. Ange organisationens eller enhetens egen OID, till exempel 1.2.246.10.2048198 för FO-numret 0204819-8, eller lämna fältet tomt.",
    fi="OID-tunnus ei kuulu organisaatiolle, jonka Y-tunnus on annettu. Anna organisaation tai yksikön oma OID-tunnus, esimerkiksi 1.2.246.10.2048198 Y-tunnukselle 0204819-8, tai jätä kenttä tyhjäksi.",
    en="The OID does not belong to the organisation whose business ID is given. Give the OID of the organisation or of its unit, such as 1.2.246.10.2048198 for the business ID 0204819-8, or leave the field empty.",
)
CAPACITY_MISMATCH = Lack(
    code="capacity-mismatch",
    field="applying_as",
    severity=Severity.RECHECKED,
    sv="Organisationen är inte registrerad i den roll som har valts i ansökan. Välj den roll som den har i kodtjänsten eller i THL:s register över Kanta-förmedlare: serviceleverantör inom social- och hälsovården, apotek, leverantör av datatekniska tjänster eller Kanta-förmedlare.",
    fi="Organisaatiota ei ole rekisteröity siinä roolissa, joka hakemuksessa on valittu. Valitse rooli, joka sillä on koodistopalvelussa tai THL:n Kanta-välittäjien rekisterissä: sosiaali- ja terveydenhuollon palvelunantaja, apteekki, tietotekniikkapalvelujen toimittaja tai Kanta-välittäjä.",
    en="The organisation is not registered in the capacity chosen in the application. Choose the one it has in the code service or in THL's register of Kanta intermediaries: care provider, pharmacy, supplier of data services or Kanta intermediary.",
)
SUPPLIER_CANNOT_APPLY = Lack(
    code="supplier-cannot-apply",
    field="applying_as",
    severity=Severity.REFUSED,
    sv="Systemsignaturcertifikat söks av den serviceleverantör inom social- och hälsovården som administrerar datasystemet. Den undertecknar också ansökan, även om det tekniska underhållet och driften har lagts ut på en annan organisation. Be serviceleverantören göra en egen ansökan. Den kan bjuda in en representant för leverantören som teknisk kontaktperson.",
    fi="Järjestelmäallekirjoitusvarmennetta hakee se sosiaali- ja terveydenhuollon palvelunantaja, joka hallinnoi tietojärjestelmää. Palvelunantaja myös allekirjoittaa hakemuksen, vaikka tekninen ylläpito ja käyttö olisi ulkoistettu toiselle organisaatiolle. Pyydä palvelunantajaa tekemään oma hakemus. Se voi kutsua toimittajan edustajan tekniseksi yhteyshenkilöksi.",
    en="A system signature certificate is applied for by the care provider that administers the information system. The care provider also signs the application, even where the technical upkeep is outsourced to another organisation. Ask it to apply. It can invite somebody of yours as the technical contact.",
)
SIGNATORY_MISSING = Lack(
    code="signatory-missing",
    field="signatory",
    sv="Ansökan är inte undertecknad. Ange namn och titel på den som undertecknar för den organisation som administrerar datasystemet, och tidpunkten för underskriften.",
    fi="Hakemusta ei ole allekirjoitettu. Anna tietojärjestelmää hallinnoivan organisaation allekirjoittajan nimi ja tehtävänimike sekä allekirjoitusaika.",
    en="The application is not signed. Give the name and title of the person who signs for the organisation that administers the information system, and the time of signing.",
)
INTERMEDIARY_NOT_LISTED = Lack(
    code="intermediary-not-listed",
    field="applying_as",
    severity=Severity.RECHECKED,
    sv="Organisationen finns inte i THL:s register över Kanta-förmedlare. Välj en annan roll, eller anmäl organisationen till registret först. Ansökan kontrolleras på nytt varje natt.",
    fi="Organisaatiota ei ole THL:n Kanta-välittäjien rekisterissä. Valitse toinen rooli tai ilmoita organisaatio ensin rekisteriin. Hakemus tarkistetaan uudelleen joka yö.",
    en="The organisation is not in THL's register of Kanta intermediaries. Choose another capacity, or have the organisation listed first. The application is checked again every night.",
)
INTERMEDIARY_MARK_MISSING = Lack(
    code="intermediary-mark-missing",
    field="technical_contact.organisation",
    sv="Den sökande finns i THL:s register över Kanta-förmedlare. Skriv då ”Kanta-förmedlare” som den tekniska kontaktpersonens organisation.",
    fi="Hakija on THL:n Kanta-välittäjien rekisterissä. Kirjoita silloin teknisen yhteyshenkilön organisaatioksi ”Kanta-välittäjä”.",
    en="The applicant is in THL's register of Kanta intermediaries. The technical contact's organisation has to read “Kanta-förmedlare” or “Kanta-välittäjä” then.",
)
INTERMEDIARY_MARK_UNFOUNDED = Lack(
    code="intermediary-mark-unfounded",
    field="technical_contact.organisation",
    severity=Severity.RECHECKED,
    sv="Som den tekniska kontaktpersonens organisation står ”Kanta-förmedlare”, men den sökande finns inte i THL:s register över Kanta-förmedlare. Skriv organisationens namn i fältet.",
    fi="Teknisen yhteyshenkilön organisaationa on ”Kanta-välittäjä”, mutta hakijaa ei ole THL:n Kanta-välittäjien rekisterissä. Kirjoita kenttään organisaation nimi.",
    en="The technical contact's organisation reads as a Kanta intermediary, but the applicant is not in THL's register of Kanta intermediaries. Write the organisation's name there.",
)
UNIT_NOT_FOUND = Lack(
    code="unit-not-found",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Organisationsenhetens namn finns inte i kodtjänsten. Skriv enhetens långa namn på finska eller svenska exakt som det står där, till exempel Apoteket Helsingfors VI.",
    fi="Organisaatioyksikön nimeä ei ole koodistopalvelussa. Kirjoita yksikön pitkä nimi suomeksi tai ruotsiksi täsmälleen niin kuin se on siellä, esimerkiksi Helsingin VI apteekki.",
    en="The name of the organisational unit is not in the code service. Write the unit's long name in Finnish or Swedish exactly as it stands there, such as Helsingin VI apteekki.",
)
UNIT_NOT_FOUND_BUT_CLOSE = Lack(
    code="unit-not-found",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Organisationsenhetens namn finns inte i kodtjänsten. Skriv enhetens långa namn exakt som det står där. De närmaste namnen är {suggestions}.",
    fi="Organisaatioyksikön nimeä ei ole koodistopalvelussa. Kirjoita yksikön pitkä nimi täsmälleen niin kuin se on siellä. Lähimmät nimet ovat {suggestions}.",
    en="The name of the organisational unit is not in the code service. Write the unit's long name exactly as it stands there. The closest names are {suggestions}.",
)
UNIT_OF_ANOTHER = Lack(
    code="unit-of-another-organisation",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Enheten hör enligt kodtjänsten till en annan organisation än den sökande. Ange en egen enhets långa namn, eller rätta FO-numret.",
    fi="Yksikkö kuuluu koodistopalvelun mukaan toiselle organisaatiolle kuin hakijalle. Anna oman yksikön pitkä nimi tai korjaa Y-tunnus.",
    en="According to the code service the unit belongs to another organisation than the applicant. Give the long name of a unit of your own, or correct the business ID.",
)
UNIT_NAME_TOO_LONG = Lack(
    code="unit-name-too-long",
    field="unit_long_name",
    severity=Severity.RECHECKED,
    sv="Enhetens långa namn ryms inte i certifikatet (högst 64 tecken), och kodtjänsten har ingen förkortning som ryms. Be den som upprätthåller enhetens uppgifter i kodtjänsten att lägga till en förkortning, eller ange en annan enhet. Ansökan kontrolleras på nytt varje natt.",
    fi="Yksikön pitkä nimi ei mahdu varmenteeseen (enintään 64 merkkiä), eikä koodistopalvelussa ole lyhennettä, joka mahtuisi. Pyydä yksikön tietojen ylläpitäjää lisäämään lyhenne koodistopalveluun tai anna toinen yksikkö. Hakemus tarkistetaan uudelleen joka yö.",
    en="The unit's long name does not fit the certificate (at most 64 characters), and the code service has no abbreviation that does. Ask whoever keeps the unit's data in the code service to add one, or name another unit. The application is checked again every night.",
)
ORGANISATION_NAME_TOO_LONG = Lack(
    code="organisation-name-too-long",
    field="applicant.business_id",
    severity=Severity.RECHECKED,
    sv="Organisationens registrerade namn ryms inte i certifikatet (högst 64 tecken), och kodtjänsten har ingen förkortning som ryms. Be den som upprätthåller organisationens uppgifter i kodtjänsten att lägga till en förkortning. Ansökan kontrolleras på nytt varje natt.",
    fi="Organisaation rekisteröity nimi ei mahdu varmenteeseen (enintään 64 merkkiä), eikä koodistopalvelussa ole lyhennettä, joka mahtuisi. Pyydä organisaation tietojen ylläpitäjää lisäämään lyhenne koodistopalveluun. Hakemus tarkistetaan uudelleen joka yö.",
    en="The organisation's registered name does not fit the certificate (at most 64 characters), and the code service has no abbreviation that does. Ask whoever keeps the organisation's data in the code service to add one. The application is checked again every night.",
)
SYSTEM_NAME_UNFIT = Lack(
    code="system-name-unfit",
    field="information_system.name",
    sv="Datasystemets namn ryms inte i certifikatet. Ange ett namn på 1–64 tecken på en rad, till exempel systemets produktnamn.",
    fi="Tietojärjestelmän nimi ei mahdu varmenteeseen. Anna yhdelle riville mahtuva 1–64 merkin nimi, esimerkiksi järjestelmän tuotenimi.",
    en="The information system's name does not fit the certificate. Give a name of 1 to 64 characters on one line, such as the product's name.",
)
SYSTEM_MISSING = Lack(
    code="information-system-missing",
    field="information_system",
    sv="Det framgår inte vilket datasystem ansökan gäller. Ange systemets namn och dess id i registret över datasystem.",
    fi="Hakemuksesta ei ilmene, mitä tietojärjestelmää se koskee. Anna järjestelmän nimi ja sen tunnus tietojärjestelmärekisterissä.",
    en="The application does not say which information system it is for. Give the system's name and its id in the register of information systems.",
)
CONFORMITY_MISSING = Lack(
    code="conformity-certificate-missing",
    field="attachments",
    sv="Den som ansöker om systemsignaturcertifikat för privat social- och hälsovård ska bifoga datasystemets intyg om överensstämmelse. Bifoga intyget.",
    fi="Yksityisen sosiaali- ja terveydenhuollon hakijan on liitettävä järjestelmäallekirjoitusvarmenteen hakemukseen tietojärjestelmän vaatimustenmukaisuustodistus. Liitä todistus.",
    en="Who applies for a system signature certificate for private social or health care has to attach the information system's conformity certificate. Attach it.",
)
CONFORMITY_OTHER_SYSTEM = Lack(
    code="conformity-certificate-other-system",
    field="attachments",
    sv="Det bifogade intyget om överensstämmelse gäller ett annat datasystem än ansökan. Bifoga intyget för ansökans system, eller rätta systemets id.",
    fi="Liitetty vaatimustenmukaisuustodistus koskee toista tietojärjestelmää kuin hakemus. Liitä hakemuksen järjestelmän todistus tai korjaa järjestelmän tunnus.",
    en="The conformity certificate attached is for another information system than the application. Attach that of the application's system, or correct the system's id.",
)
CONFORMITY_NOT_VALID = Lack(
    code="conformity-certificate-not-valid",
    field="attachments",
    sv="Det bifogade intyget om överensstämmelse är inte i kraft. Bifoga ett intyg som är i kraft den dag då ansökan kompletteras.",
    fi="Liitetty vaatimustenmukaisuustodistus ei ole voimassa. Liitä todistus, joka on voimassa hakemuksen täydennyspäivänä.",
    en="The conformity certificate attached is not in force. Attach one that is in force on the day of the supplement.",
)
CONFORMITY_UNKNOWN = Lack(
    code="conformity-certificate-unknown",
    field="attachments",
    severity=Severity.RECHECKED,
    sv="Registret över datasystem har inget gällande intyg om överensstämmelse med det bifogade intygets nummer för detta system. Kontrollera intygets nummer och systemets id.",
    fi="Tietojärjestelmärekisterissä ei ole tälle järjestelmälle voimassa olevaa vaatimustenmukaisuustodistusta, jolla olisi liitetyn todistuksen numero. Tarkista todistuksen numero ja järjestelmän tunnus.",
    en="The register of information systems has no conformity certificate in force for this system with the number of the one attached. Check the certificate's number and the system's id.",
)
EMAIL_WRONG = Lack(
    code="email-wrong",
    field="orderer.email",
    sv="E-postadressen är inte rätt skriven. Certifikatet levereras per e-post: ange en enda adress, till exempel namn@exempel.fi.",
    fi="Sähköpostiosoite ei ole oikein kirjoitettu. Varmenne toimitetaan sähköpostitse: anna vain yksi osoite, esimerkiksi nimi@esimerkki.fi.",
    en="The e-mail address is not written rightly. The certificate is delivered by e-mail: give one address only, such as name@example.fi.",
)
START_DATE_PAST = Lack(
    code="start-date-past",
    field="start_date",
    sv="Startdagen har redan passerat. Ange dagens datum eller en senare dag, eller lämna fältet tomt så börjar certifikatet gälla när det utfärdas.",
    fi="Alkamispäivä on jo mennyt. Anna kuluva tai myöhempi päivä tai jätä kenttä tyhjäksi, jolloin voimassaolo alkaa myöntämisestä.",
    en="The start date has passed. Give today or a later day, or leave the field empty: the certificate is valid from its issuance then.",
)
START_DATE_TOO_LATE = Lack(
    code="start-date-too-late",
    field="start_date",
    sv="Startdagen ligger för långt fram. Ange en dag inom {days} dagar, eller lämna in ansökan senare.",
    fi="Alkamispäivä on liian kaukana. Anna päivä, joka on enintään {days} päivän päässä, tai hae myöhemmin.",
    en="The start date is too far ahead. Give a day within {days} days, or apply later.",
)
VALIDITY_TOO_LONG = Lack(
    code="validity-too-long",
    field="validity_days",
    sv="Certifikatet kan gälla i högst {days} dagar. Ange ett mindre antal, eller lämna fältet tomt så får certifikatet den längsta giltighetstiden.",
    fi="Varmenne voi olla voimassa enintään {days} päivää. Anna pienempi määrä tai jätä kenttä tyhjäksi, jolloin voimassaoloaika on pisin mahdollinen.",
    en="The certificate can be valid for at most {days} days. Give fewer, or leave the field empty for the longest validity.",
)

Deficiencies = tuple[Deficiency, ...]
"""What a rule finds: none where the rule is kept. A rule that also finds a value gives both, and no value where there are deficiencies."""
