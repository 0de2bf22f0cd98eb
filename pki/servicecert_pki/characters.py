"""The letters of names in certificates, and those that look like them."""

import unicodedata
from functools import cache
from string import ascii_letters, digits

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
