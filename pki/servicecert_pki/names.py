"""Checks of a certificate's subject and alternative names."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from string import ascii_letters, digits

import idna
from publicsuffixlist import PublicSuffixList

SUBJECT_BOUND = 64
"""The upper bound of each length in a profile, in characters, whatever their size in UTF-8.

RFC 5280, appendix A: ub-organization-name, ub-organizational-unit-name, ub-common-name and ub-serial-number.
"""

BUSINESS_ID_LENGTH = 9
DNS_NAME_LIMIT = 253
DNS_LABEL_LIMIT = 63

# Special-use names (RFC 6761 and IANA's registry) that are in the list of public suffixes or under one of it.
_SPECIAL_USE = (".arpa", ".onion", ".example.com", ".example.net", ".example.org")

# Special-purpose addresses (RFC 6890 and IANA's registries) that some releases of `ipaddress` take for owned: those of
# protocols, anycast to any operator, examples, site-local, IPv4 inside IPv6.
_SPECIAL_PURPOSE = tuple(
    map(
        ip_network,
        (
            *("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24"),
            *("::ffff:0:0/96", "2001::/23", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "fec0::/10"),
        ),
    )
)

_CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class CertificateRefused(ValueError):
    """The contents cannot be certified: a stable `code` and one English sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NameRefused(CertificateRefused):
    """A name cannot; the sentence says what to do."""


def check_business_id(text: str) -> str:
    """Return a Finnish business id (Y-tunnus, ``1234567-1``) whose check digit is right (A5).

    Raises NameRefused with ``business-id-form`` or ``business-id-check-digit``.
    """
    if re.fullmatch(r"[0-9]{7}-[0-9]", text) is None:
        raise NameRefused("business-id-form", "A business id is seven digits, a hyphen and a check digit.")
    remainder = sum(weight * int(digit) for weight, digit in zip(_CHECK_WEIGHTS, text, strict=False)) % 11
    # Remainder 1 would need the check digit 10, so such a number is never assigned.
    if remainder == 1 or int(text[-1]) != (11 - remainder) % 11:
        raise NameRefused(
            "business-id-check-digit", "The check digit of the business id is wrong; check it for typing errors."
        )
    return text


@lru_cache(maxsize=2048)
def check_dns_name(text: str) -> str:
    """Return a host name in lower case: letters, digits and hyphens, at least two labels, IDN as A-labels.

    Raises NameRefused with ``dns-name-`` and one of ``idn``, ``wildcard``, ``underscore``, ``length``,
    ``labels``, ``form``, ``address``, ``letters``, ``unowned`` or ``public-suffix``. Unowned is a name under no
    top-level domain of the public suffixes, or of special use: a certificate would count in everybody's network.
    """
    if not text.isascii():
        raise NameRefused("dns-name-idn", _ascii_hint(text))
    name = text.lower()
    labels = name.split(".")
    too_long = len(name) > DNS_NAME_LIMIT or any(len(label) > DNS_LABEL_LIMIT for label in labels)
    # The time that decoding takes grows with the square of the length.
    letters = None if too_long else _wrong_letters(labels)
    suffix = _public_suffixes().publicsuffix(name, accept_unknown=False)
    for wrong, code, message in (
        ("*" in name, "wildcard", "Wildcards are not certified; list every host name."),
        ("_" in name, "underscore", "A host name has no underscore; use a hyphen."),
        (
            too_long,
            "length",
            f"A host name has at most {DNS_NAME_LIMIT} characters, and {DNS_LABEL_LIMIT} between two dots.",
        ),
        (len(labels) < 2, "labels", "Give the full host name with its domain, such as host.example.fi."),
        (
            not all(_LABEL.fullmatch(label) for label in labels),
            "form",
            "A host name consists of letters, digits and inner hyphens, with single dots between its parts.",
        ),
        (labels[-1].isdigit(), "address", "This is an IP address; give it as an IP address, beside a host name."),
        (
            re.fullmatch(r"[a-z]{2,}|xn--.*", labels[-1]) is None,
            "form",
            "A host name ends with a top-level domain, which has two or more letters and no digits, such as fi.",
        ),
        (letters == "idn", "idn", "A part that begins with xn-- is not a valid internationalised name."),
        (
            letters == "letters",
            "letters",
            "A part that begins with xn-- has letters of another alphabet, which look like those of ours.",
        ),
        (
            suffix is None or f".{name}".endswith(_SPECIAL_USE),
            "unowned",
            "Nobody can own this name; give one under a public domain.",
        ),
        (
            suffix == name,
            "public-suffix",
            "This is a public suffix, under which others own names; give a name of your own.",
        ),
    ):
        if wrong:
            raise NameRefused(f"dns-name-{code}", message)
    return name


@cache
def _public_suffixes() -> PublicSuffixList:
    """Return the public suffixes of the registries, in A-labels. The list of private ones is not ours to keep."""
    return PublicSuffixList(only_icann=True)


def _wrong_letters(labels: Iterable[str]) -> str | None:
    """Return the code of the first label that cannot be decoded, or has foreign letters; None if all are right."""
    for label in labels:
        try:
            if label.startswith("xn--") and foreign_letters(idna.ulabel(label)):
                return "letters"
        except idna.IDNAError:
            return "idn"
    return None


def _ascii_hint(text: str) -> str:
    try:
        return f"Write the internationalised name in its ASCII form, {idna.encode(text, uts46=True).decode()}."
    except idna.IDNAError:
        return "A host name consists of the letters a to z, digits and hyphens."


def check_ip_address(text: str) -> IPv4Address | IPv6Address:
    """Return an IPv4 or IPv6 address without a zone.

    Raises NameRefused with ``ip-address-form``, or ``ip-address-reserved`` for one that is private, of special use, or
    an IPv4 address inside an IPv6 address: nobody owns it, so that a certificate would count in everybody's network.
    """
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or (isinstance(address, IPv6Address) and address.scope_id is not None):
        raise NameRefused("ip-address-form", "Give one IPv4 or IPv6 address, without prefix length or zone.")
    special = any(address in network for network in _SPECIAL_PURPOSE)
    if special or not address.is_global or address.is_multicast or address.is_reserved:
        raise NameRefused("ip-address-reserved", "Nobody can own this address; give a public one, or none.")
    return address


def check_subject_text(text: str, longest: int) -> str:
    """Return a text that fits a subject field: 1 to `longest` visible characters, no outer blanks.

    Raises NameRefused with ``text-empty``, ``text-too-long`` (the register's abbreviation may fit),
    ``text-characters`` or ``text-letters`` (of another alphabet).
    """
    if not text.strip():
        raise NameRefused("text-empty", "The text is empty.")
    if len(text) > longest:
        raise NameRefused("text-too-long", f"The text has {len(text)} characters; a certificate holds {longest}.")
    if text != text.strip() or not text.isprintable():
        raise NameRefused(
            "text-characters", "Remove blanks at the ends, line breaks and invisible characters from the text."
        )
    if foreign := foreign_letters(text):
        raise NameRefused(
            "text-letters", f"Write the text in Latin letters; of another alphabet are {', '.join(foreign)}."
        )
    return text


def fitting_text(name: str, abbreviation: str | None, longest: int) -> str:
    """Return `name`, or the register's `abbreviation` if the name has more than `longest` characters.

    Raises NameRefused like `check_subject_text`.
    """
    return check_subject_text(abbreviation if abbreviation and len(name) > longest else name, longest)


def server_common_name(dns_names: Iterable[str], longest: int) -> str:
    """Return the first of the DNS names that has at most `longest` characters, the common name's limit.

    Raises NameRefused with ``common-name-missing``.
    """
    for name in dns_names:
        if len(name) <= longest:
            return name
    raise NameRefused("common-name-missing", f"Give at least one host name of at most {longest} characters.")


# Of Latin Extended-A without the letters that look like others (dotless i, kra, long s) or that are two (ij, l·, 'n),
# and those that Skolt Sami has beyond it.
_EXTENDED_A = frozenset(map(chr, range(0x100, 0x180))) - frozenset("ıĸĲĳĿŀŉſ")
_SKOLT_SAMI = frozenset("ƷʒǮǯǤǥǦǧǨǩʹʼ")
_LATIN_1 = frozenset(map(chr, range(0xC0, 0x100))) - frozenset("×÷")
LETTERS = frozenset(ascii_letters + digits) | _LATIN_1 | _EXTENDED_A | _SKOLT_SAMI
"""The letters and digits of names in certificates.

They cover Finnish, Swedish, the Sami languages, Estonian and their neighbours. Two alphabets have letters that look
the same (UTS #39), so the letters of all others are foreign, also where a whole name is written in them.
"""

_HARMLESS = frozenset("¹²³¼½¾™")
# Unicode calls them symbols. The one without dots looks like a space.
_BRAILLE = frozenset(map(chr, range(0x2800, 0x2900)))


def foreign_letters(text: str) -> tuple[str, ...]:
    """Return the letters, marks and digits of a text that are not in LETTERS, each once, in order.

    A character that stands for letters (Ⅷ, ⓐ, №) counts as one of them.
    """
    if text.isascii():
        return ()
    return tuple(dict.fromkeys(filter(_is_foreign, unicodedata.normalize("NFC", text))))


@cache
def _is_foreign(character: str) -> bool:
    if character in LETTERS or character in _HARMLESS:
        return False
    parts = unicodedata.normalize("NFKD", character)
    is_letter = any(unicodedata.category(each)[0] in "LN" for each in parts)
    return is_letter or unicodedata.category(character)[0] == "M" or character in _BRAILLE
