"""Characters that people do not see, and letters that look like others: the one place that knows them."""

import re
import unicodedata
from functools import cache
from string import ascii_letters, digits

# The property Default_Ignorable_Code_Point of the Unicode Character Database (DerivedCoreProperties.txt).
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# The general category Zs, and the braille pattern without dots.
_BLANK = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
_BETWEEN_LINES = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")

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


def without_invisible(text: str) -> str:
    """Return a text without invisible characters, and with every kind of blank as a space. It is never longer."""
    return text if text.isascii() else _BLANK.sub(" ", _INVISIBLE.sub("", text))


def is_visible(text: str) -> bool:
    """Return whether people see every character of a text: no control, no invisible one, no blank but the space."""
    return text.isprintable() and without_invisible(text) == text


def one_line(text: str) -> str:
    """Return text as one line: no invisible characters, each run of white space and control characters one space."""
    return _BETWEEN_LINES.sub(" ", without_invisible(text)).strip()


def escaped(text: str, keep: str = "\n") -> str:
    r"""Return text for a terminal: a control, direction or other invisible character is shown as `\x1b` or `\u202e`.

    Those in `keep` stay, and a printable text is the same.
    """
    return "".join(each if each in keep or is_visible(each) else ascii(each)[1:-1] for each in text)


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
    return unicodedata.category(character)[0] == "M" or any(unicodedata.category(each)[0] in "LN" for each in parts)
