"""Templates made ready: a mail's bytes come from pieces that are encoded once, with slots for the few values that are the mail's own. Pure.

What the template engine makes depends on the values only by where they stand and by which of its conditions they meet. So for each such shape it runs
once, over marks in place of the values; what it leaves between the marks is the same in every mail of that shape.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, islice, pairwise
from operator import itemgetter
from typing import AnyStr, Generic

from markupsafe import escape

from .filling import Filling
from .message import SOFT_BREAK, Bodies, continued

_FIRST_MARK = 0xF0000
"""Marks are characters of a private plane: no template has one."""

_MARK = re.compile("([\U000f0000-\U000fffff])")

_SPECIAL = re.compile("[&<>'\"]")
"""What a page must not have as it is."""

Shape = tuple[tuple[str, object], ...]
"""A filling without its words: of each text only that there is one, of several their number, all else as it is."""


def shape_of(filling: Filling) -> tuple[Shape, tuple[str, ...]]:
    """What the engine has to know of a filling, and the words that are filled in afterwards."""
    shape: list[tuple[str, object]] = []
    words: list[str] = []
    for name, value in filling.items():
        if isinstance(value, str) and value:
            shape.append((name, str))
            words.append(value)
        elif isinstance(value, tuple):
            shape.append((name, (str, len(value))))
            words += value
        else:
            shape.append((name, value))
    return tuple(shape), tuple(words)


def marked(shape: Shape) -> Filling:
    """A filling of this shape with marks for words."""
    marks = map(chr, count(_FIRST_MARK))
    filling: Filling = {}
    for name, value in shape:
        if value is str:
            filling[name] = next(marks)
        elif isinstance(value, tuple):
            filling[name] = tuple(islice(marks, value[1]))
        else:
            filling[name] = value
    return filling


@dataclass(frozen=True, slots=True)
class Slots(Generic[AnyStr]):
    """A text, or what it is in a mail, with slots for words. `chosen` picks those of a filling that stand there, in the text's order."""

    form: AnyStr
    chosen: Callable[[Sequence[AnyStr]], tuple[AnyStr, ...]]

    def filled(self, words: Sequence[AnyStr]) -> AnyStr:
        """The text with its words."""
        return self.form % self.chosen(words)


def _legible(text: str) -> Slots[str]:
    """Cuts a text where its marks stand."""
    pieces = _MARK.split(text)
    return Slots("%s".join(piece.replace("%", "%%") for piece in pieces[::2]), _chosen(pieces[1::2]))


def _encoded(text: str) -> Slots[bytes]:
    """The same in quoted-printable. Each word stands in a line of its own, between soft line breaks, so that what is around it is the same in every mail."""
    pieces = _MARK.split(text)
    form = [_fixed(pieces[0])]
    for before, after in pairwise(pieces[::2]):
        # The first piece may be empty; a later one is so where one word follows another.
        form += (
            b"" if before.endswith("\n") or (len(form) == 1 and not before) else SOFT_BREAK,
            b"%b",
            b"" if after.startswith("\n") or not after else SOFT_BREAK,
            _fixed(after),
        )
    return Slots(b"".join(form), _chosen(pieces[1::2]))


def _fixed(piece: str) -> bytes:
    return continued(piece).replace(b"%", b"%%")


def _chosen(marks: Sequence[str]) -> Callable[[Sequence[AnyStr]], tuple[AnyStr, ...]]:
    places = [ord(mark) - _FIRST_MARK for mark in marks]
    if len(places) > 1:
        return itemgetter(*places)
    return lambda words: tuple(words[place] for place in places)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One template in one shape: its subject, and its text and page in quoted-printable."""

    subject: Slots[str]
    text: Slots[bytes]
    page: Slots[bytes]

    @staticmethod
    def read(subject: str, text: str, html: str) -> "Prepared":
        """Prepares what the engine made with marks in place of words."""
        return Prepared(_legible(subject), _encoded(text), _encoded(html))

    def filled(self, words: tuple[str, ...]) -> Bodies:
        """The subject, and the text and the page as a mail has them."""
        told = shown = list(map(continued, words))
        if _SPECIAL.search("".join(words)):
            shown = [continued(str(escape(word))) for word in words]
        return Bodies(self.subject.filled(words), self.text.filled(told), self.page.filled(shown))
