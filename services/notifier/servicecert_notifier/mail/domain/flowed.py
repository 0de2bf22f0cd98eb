"""The text of a mail in lines of at most 78 characters (RFC 5322, 2.1.1), as `format=flowed; delsp=yes` (RFC 3676)."""

import re
from textwrap import TextWrapper

# Up to the end of the line, else of a word, else of a part of an address or a fingerprint, else as much as fits.
_PIECE = re.compile(r".{1,74}$|.{1,74}(?<= )|.{1,74}(?<=[/:])|.{1,74}", re.DOTALL)
_STUFFED = re.compile(r"(?m)^(?= |>|From )")
_COMMAND = TextWrapper(75, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False)


def flowed(text: str) -> str:
    """Return a text with shorter lines, which a mail program that knows the format joins again to the same text.

    A command, which four spaces begin, has the shell's own continuation instead, so that it runs as every program
    shows it, and a word of it is never divided.
    """
    return _STUFFED.sub(" ", "\n".join(map(_shorter, text.split("\n"))))


def _shorter(line: str) -> str:
    if line.startswith("    "):
        return " \\\n".join(_COMMAND.wrap(line))
    return " \n".join(_PIECE.findall(line.rstrip(" ")))
