"""Characters that people do not see: the one place that knows them, for what people typed and for what is shown."""

import re

# The property Default_Ignorable_Code_Point of the Unicode Character Database (DerivedCoreProperties.txt).
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# The general category Zs, and the braille pattern without dots.
_BLANK = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
_BETWEEN_LINES = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def cleaned(typed: str) -> str:
    """Return a typed text without what nobody sees: no invisible characters, no blanks at its ends. It is never longer.

    Every kind of blank becomes a space. Control characters stay, as do blanks inside: people see the damage, and
    intake's rules answer it. Only U+0000, which PostgreSQL cannot store, becomes U+FFFD.
    """
    return _without_invisible(typed).strip().replace("\x00", "\ufffd")


def _without_invisible(text: str) -> str:
    """Return a text without invisible characters, and with every kind of blank as a space. It is never longer."""
    return text if text.isascii() else _BLANK.sub(" ", _INVISIBLE.sub("", text))


def is_visible(text: str) -> bool:
    """Return whether people see every character of a text: no control, no invisible one, no blank but the space."""
    return text.isprintable() and _without_invisible(text) == text


def one_line(text: str) -> str:
    """Return text as one line: no invisible characters, each run of white space and control characters one space."""
    return _BETWEEN_LINES.sub(" ", _without_invisible(text)).strip()
