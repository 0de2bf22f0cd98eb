"""The shape of a certificate: all that a linter's findings can depend on, apart from what `second_encoder.py` pins down.

Two certificates of one shape come from the same profile and the same issuer, hold a key of the same size and the same usages, and their values
differ only in which letters and digits stand where letters and digits stand. docs/lint.md says why this is enough, and a test holds it.
"""

import re
import unicodedata
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import TypeAlias

from .certificate import Contents
from .spki import key_size

Shape: TypeAlias = Hashable

# From this year on times are written another way (RFC 5280, 4.1.2.5).
_GENERALIZED_TIME = 2050


def shape_of(contents: Contents) -> Shape:
    """Return a value that is the same for contents of the same shape."""
    subject = contents.subject
    return (
        contents.profile.digest,
        contents.issuer.certificate_der,
        key_size(contents.spki),
        contents.usages,
        (contents.serial.bit_length() + 8) // 8,
        contents.not_before.year < _GENERALIZED_TIME,
        contents.not_after.year < _GENERALIZED_TIME,
        tuple(map(_characters, (subject.organisation, subject.unit, subject.business_id, subject.common_name))),
        frozenset(map(_pattern, contents.names.dns)),
        frozenset(address.version for address in contents.names.ip),
        tuple(map(_digits, (contents.crl_url, contents.ca_issuers_url, contents.ocsp_url or ""))),
    )


@lru_cache(maxsize=4096)
def _characters(text: str) -> frozenset[str]:
    """The categories of characters in a text, each with its size in UTF-8."""
    return frozenset(_categories(text))


def _categories(text: str) -> Iterable[str]:
    return (f"{unicodedata.category(it)}{len(it.encode())}" for it in set(text))


def _pattern(name: str) -> str:
    """A host name with each run of letters as one a, and each run of digits as one 0."""
    return _digits(re.sub(r"[a-z]+", "a", name))


@lru_cache(maxsize=4096)
def _digits(text: str) -> str:
    """A URL without its numbers: a CRL's partition changes nothing else."""
    return re.sub(r"[0-9]+", "0", text)
