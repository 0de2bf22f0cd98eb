"""A renewal beside the certificate that it follows: every difference in subject, names and key usage is shown (A14)."""

from collections.abc import Iterator
from dataclasses import dataclass

from servicecert_schemas.case import Difference, Renewal
from servicecert_schemas.certificate import ServerNames
from servicecert_schemas.values import CertificateType, SerialNumber, Text

from .application import Grant, JudgedKey
from .wording import Wording

_LONGEST = 1_000
_EC = "ec"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A certificate that was issued before for the same account."""

    serial: SerialNumber
    type: CertificateType
    grant: Grant
    key: JudgedKey | None


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found of the certificate that an application says to follow, by its number as typed."""

    typed: Text
    earlier: Earlier | None


KEY_REUSED = Wording(
    "key-reused",
    sv="Certifikatbegäran har samma nyckel som det tidigare certifikatet. Gör helst ett nytt nyckelpar för varje certifikat.",
    fi="Varmennepyynnössä on sama avain kuin aiemmassa varmenteessa. Luo mieluiten jokaiselle varmenteelle uusi avainpari.",
    en="The certificate request has the same key as the earlier certificate. Better make a new key pair for each certificate.",
)


def _differs(field: str, sv: str, fi: str, en: str) -> Wording:
    return Wording(
        field,
        sv=f"{sv} är inte samma som i det tidigare certifikatet. Kontrollera att det är avsikten.",
        fi=f"{fi} ei ole sama kuin aiemmassa varmenteessa. Tarkista, että tämä on tarkoitus.",
        en=f"{en} is not the same as in the earlier certificate. Check that this is intended.",
    )


_TYPE = _differs("type", "Certifikatets typ", "Varmenteen tyyppi", "The type of the certificate")
_ORGANISATION = _differs(
    "subject.organisation", "Organisationens namn", "Organisaation nimi", "The organisation's name"
)
_UNIT = _differs(
    "subject.organisational_unit", "Organisationsenhetens namn", "Organisaatioyksikön nimi", "The unit's name"
)
_BUSINESS_ID = _differs("subject.business_id", "FO-numret", "Y-tunnus", "The business ID")
_COMMON_NAME = _differs(
    "subject.common_name", "Certifikatets namn (CN)", "Varmenteen nimi (CN)", "The common name (CN)"
)
_NAMES = _differs("names", "Förteckningen över namn", "Nimien luettelo", "The list of names")
_KEY_USAGE = _differs("key_usage", "Nyckelns användning", "Avaimen käyttötarkoitus", "The key usage")
_USAGES = _differs(
    "extended_key_usage",
    "Nyckelns utökade användning",
    "Avaimen laajennettu käyttötarkoitus",
    "The extended key usage",
)


def renewal(type: CertificateType, grant: Grant, key: JudgedKey | None, earlier: Earlier) -> Renewal:
    """What the applicant is shown of a renewal."""
    shared = key is not None and earlier.key is not None and key.sha256 == earlier.key.sha256
    return Renewal(
        serial=earlier.serial,
        differences=tuple(_differences(type, grant, key, earlier)),
        key_reused=KEY_REUSED.texts() if shared else None,
    )


def _differences(type: CertificateType, grant: Grant, key: JudgedKey | None, earlier: Earlier) -> Iterator[Difference]:
    before, now = earlier.grant, grant
    pairs = [
        (_TYPE, earlier.type, type),
        (_ORGANISATION, before.subject.organisation, now.subject.organisation),
        (_UNIT, before.subject.organisational_unit, now.subject.organisational_unit),
        (_BUSINESS_ID, before.subject.business_id, now.subject.business_id),
        (_COMMON_NAME, before.subject.common_name, now.subject.common_name),
        (_NAMES, _listed(before.names), _listed(now.names)),
        (_USAGES, ", ".join(before.usages), ", ".join(now.usages)),
    ]
    if key is not None and earlier.key is not None:
        pairs.append((_KEY_USAGE, _key_usage(earlier.type, earlier.key), _key_usage(type, key)))
    for wording, old, new in pairs:
        if old != new:
            yield Difference(field=wording.code, before=old[:_LONGEST], now=new[:_LONGEST], texts=wording.texts())


def _listed(names: ServerNames) -> str:
    return ", ".join(sorted((*names.dns, *names.ip)))


def _key_usage(type: CertificateType, key: JudgedKey) -> str:
    """The key usage as the table of the four types has it."""
    if not type.is_server:
        return "digitalSignature, nonRepudiation"
    return "digitalSignature" if key.family == _EC else "digitalSignature, keyEncipherment"
