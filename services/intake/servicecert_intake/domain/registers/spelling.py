"""How a long name is spelt for comparison, so that people's ways of writing the same name come out alike (A6).

Letter case, accents, punctuation and double blanks do not count. Words that the two languages share, and their abbreviations, become one word, so does a
Roman numeral with its digits, and so do the names of towns that people abbreviate. None of this decides whether a name matches: it only finds what to suggest.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from rapidfuzz import fuzz, process

_ALIKE = (
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
"""Words that mean the same, with their abbreviations; the first of each line stands for all of it."""

_LEFT_OUT = frozenset({"ja", "och", "and"})
_ONES = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
_NUMERALS = {"x" * (number // 10) + _ONES[number % 10]: str(number) for number in range(1, 40)}


def without_accents(text: str) -> str:
    """In lower case, with letters for accented ones, and blanks for all that is neither letter nor digit."""
    folded = text.casefold()
    if not folded.isascii():
        folded = "".join(each for each in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(each))
    return folded if folded.isalnum() else "".join(each if each.isalnum() else " " for each in folded)


_ONE_WORD = MappingProxyType(
    {
        **_NUMERALS,
        **{without_accents(word): without_accents(words.split()[0]) for words in _ALIKE for word in words.split()},
    }
)


_LONG = 6
_LONG_WORDS = tuple(word for word in _ONE_WORD if len(word) >= _LONG)


@dataclass(frozen=True, slots=True)
class Spelling:
    """A name as it is compared: its words one after the other without blanks, and in the order of the alphabet."""

    joined: str
    ordered: str


def spelt(name: str) -> Spelling:
    """The spelling of a name in a register."""
    return _spelling(_ONE_WORD.get(word, word) for word in _words(name))


def as_meant(typed: str) -> Spelling:
    """The spelling of a name that somebody typed: one of the words above is known also with a slip in it."""
    return _spelling(_ONE_WORD.get(word) or _with_a_slip(word) for word in _words(typed))


def _words(text: str) -> list[str]:
    return [word for word in without_accents(text).split() if word not in _LEFT_OUT]


def _with_a_slip(word: str) -> str:
    if len(word) < _LONG:
        return word
    close = process.extractOne(word, _LONG_WORDS, scorer=fuzz.ratio, score_cutoff=85)
    return word if close is None else _ONE_WORD[close[0]]


def _spelling(words: Iterable[str]) -> Spelling:
    found = list(words)
    return Spelling("".join(found), " ".join(sorted(found)))
