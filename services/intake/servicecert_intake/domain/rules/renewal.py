"""A renewal beside the certificate that it follows: every difference in subject, names and key usage is shown (A14)."""

from collections.abc import Iterator
from dataclasses import dataclass

from servicecert_pki.profile import KeyUsage
from servicecert_schemas.case import Difference, Renewal
from servicecert_schemas.values import CertificateType, SerialNumber, Text

from .application import Grant, JudgedKey
from .wording import Wording

_LONGEST = 1_000
"""How many characters of each value are shown; of lists, what differs is told whole beside them."""


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
    sv="Certifikatbegäran har samma nyckel som det tidigare certifikatet. Ett nytt nyckelpar för varje certifikat rekommenderas.",
    fi="Varmennepyynnössä on sama avain kuin aiemmassa varmenteessa. Suosittelemme uuden avainparin luomista jokaiselle varmenteelle.",
    en="The certificate request has the same key as the earlier certificate. A new key pair for each certificate is recommended.",
)


def _differs(field: str, sv: str, fi: str, en: str) -> Wording:
    return Wording(
        field,
        sv=f"{sv} skiljer sig från det tidigare certifikatet. Kontrollera att det är avsikten.",
        fi=f"{fi} poikkeaa aiemmasta varmenteesta. Tarkista, että muutos on tarkoituksellinen.",
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
_KEY_USAGE = _differs("key_usage", "Nyckelanvändningen", "Avaimen käyttötarkoitus", "The key usage")
_USAGES = _differs(
    "extended_key_usage",
    "Den utökade nyckelanvändningen",
    "Avaimen laajennettu käyttötarkoitus",
    "The extended key usage",
)


def renewal(type: CertificateType, grant: Grant, key: JudgedKey | None, earlier: Earlier) -> Renewal:
    """What the applicant is shown of a renewal."""
    shared = key is not None and earlier.key is not None and key.sha256 == earlier.key.sha256
    return Renewal(
        serial=earlier.serial,
        differences=tuple(_differences(type, grant, earlier)),
        key_reused=KEY_REUSED.texts() if shared else None,
    )


def _differences(type: CertificateType, grant: Grant, earlier: Earlier) -> Iterator[Difference]:
    before, now = earlier.grant, grant
    for wording, old, new in (
        (_TYPE, earlier.type, type),
        (_ORGANISATION, before.subject.organisation, now.subject.organisation),
        (_UNIT, before.subject.organisational_unit, now.subject.organisational_unit),
        (_BUSINESS_ID, before.subject.business_id, now.subject.business_id),
        (_COMMON_NAME, before.subject.common_name, now.subject.common_name),
    ):
        if old != new:
            yield Difference(field=wording.code, before=old, now=new, texts=wording.texts())
    yield from _difference(_NAMES, (*before.names.dns, *before.names.ip), (*now.names.dns, *now.names.ip))
    yield from _difference(_USAGES, before.usages, now.usages)
    if before.key_usage and now.key_usage:
        yield from _difference(_KEY_USAGE, *map(_in_rfc_5280, (before.key_usage, now.key_usage)))


def _difference(wording: Wording, before: tuple[str, ...], now: tuple[str, ...]) -> Iterator[Difference]:
    """How two lists differ, whatever their order: both, cut where they are long, and what is no more and what is new, whole."""
    gone, come = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    if gone or come:
        yield Difference(
            field=wording.code,
            before=_listed(before),
            now=_listed(now),
            removed=tuple(gone),
            added=tuple(come),
            texts=wording.texts(),
        )


def _listed(values: tuple[str, ...]) -> str:
    text = ", ".join(sorted(values))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rpartition(', ')[0]}, …"


def _in_rfc_5280(usages: tuple[KeyUsage, ...]) -> tuple[str, ...]:
    """The bits' names in RFC 5280, 4.2.1.3: digitalSignature of digital-signature."""
    return tuple(first + "".join(map(str.capitalize, rest)) for first, *rest in (usage.split("-") for usage in usages))
