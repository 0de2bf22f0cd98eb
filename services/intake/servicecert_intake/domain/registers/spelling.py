"""Normalise the spelling of long names for suggestions (A6). It never decides whether a name matches.

Letter case, accents, punctuation and repeated spaces are ignored. Synonyms in both languages, abbreviations, town names
and Roman numerals are replaced by one word.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from rapidfuzz import fuzz, process

_SYNONYMS = (
    "hyvinvointialue hyvinvointialueen hva välfärdsområde välfärdsområdet välfärdsområdes vfo",
    "kuntayhtymä kuntayhtymän ky samkommun samkommunen",
    "oy oyj ab abp osakeyhtiö aktiebolag aktiebolaget",
    "yhdistys ry rf förening föreningen",
    "säätiö sr stiftelse stiftelsen",
    "kaupunki kaupungin stad stads",
    "kunta kunnan kommun kommuns",
    "terveyskeskus tk hälsocentral hälsocentralen hälsovårdscentral hälsovårdscentralen hvc",
    "terveysasema ta hälsostation hälsostationen",
    "sairaala sairaalan sjukhus sjukhuset sjukhusets",
    "keskussairaala keskussairaalan ks centralsjukhus centralsjukhuset",
    "apteekki apt apotek apoteket",
    "sairaalaapteekki sjukhusapotek sjukhusapoteket",
    "sivuapteekki filialapotek filialapoteket",
    "lääkärikeskus lk läkarcentral läkarcentralen",
    "hammashoitola tandklinik tandkliniken",
    "hoitokoti vårdhem vårdhemmet",
    "toimipiste verksamhetsställe verksamhetsstället",
    "yksikkö enhet enheten",
    "helsinki helsingin helsingfors hki",
    "turku turun åbo tku",
    "tampere tampereen tammerfors tre",
    "espoo espoon esbo",
    "vantaa vantaan vanda",
    "oulu oulun uleåborg",
    "jyväskylä jyväskylän jkl",
    "lappeenranta lappeenrannan villmanstrand lpr",
    "hämeenlinna hämeenlinnan tavastehus hml",
    "vaasa vaasan vasa",
    "porvoo porvoon borgå",
)
"""Synonyms and abbreviations; each line is replaced by its first word."""

_IGNORED = frozenset({"ja", "och", "and"})
_ONES = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
_NUMERALS = {"x" * (number // 10) + _ONES[number % 10]: str(number) for number in range(1, 40)}


def without_accents(text: str) -> str:
    """Return the text in lower case, without accents, with spaces for all but letters and digits."""
    folded = text.casefold()
    if not folded.isascii():
        folded = "".join(each for each in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(each))
    return folded if folded.isalnum() else "".join(each if each.isalnum() else " " for each in folded)


_CANONICAL = MappingProxyType(
    {
        **_NUMERALS,
        **{without_accents(word): without_accents(words.split()[0]) for words in _SYNONYMS for word in words.split()},
    }
)


_LONG = 6
_LONG_WORDS = tuple(word for word in _CANONICAL if len(word) >= _LONG)


@dataclass(frozen=True, slots=True)
class Spelling:
    """A name for comparison: its words joined without spaces, and its words sorted."""

    joined: str
    ordered: str


def spelling_of(name: str) -> Spelling:
    return _spelling(_CANONICAL.get(word, word) for word in _words(name))


def corrected_spelling(typed: str) -> Spelling:
    """Return the spelling of a typed name, with typing errors in the words above corrected."""
    return _spelling(_CANONICAL.get(word) or _corrected(word) for word in _words(typed))


def _words(text: str) -> list[str]:
    return [word for word in without_accents(text).split() if word not in _IGNORED]


def _corrected(word: str) -> str:
    if len(word) < _LONG:
        return word
    close = process.extractOne(word, _LONG_WORDS, scorer=fuzz.ratio, score_cutoff=85)
    return word if close is None else _CANONICAL[close[0]]


def _spelling(words: Iterable[str]) -> Spelling:
    listed = list(words)
    return Spelling("".join(listed), " ".join(sorted(listed)))
