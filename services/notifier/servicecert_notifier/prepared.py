"""Templates made ready: a mail's bytes come from pieces that are encoded once, with slots for the few values that are the mail's own. Pure.

What the template engine makes depends on the values only by where they stand and by which of its conditions they meet. So for each such shape it runs
once, over marks in place of the values; what it leaves between the marks is the same in every mail of that shape.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, groupby, islice
from operator import itemgetter

from markupsafe import escape

from .filling import Filling
from .message import Bodies, legible, page

_FIRST_MARK = 0xF0000
"""Marks are characters of a private plane: no template has one."""

_MARK = re.compile("([\U000f0000-\U000fffff])")

_LINE = re.compile(r".*\n?")

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
class Slots:
    """A text with slots for words. `chosen` picks those of a filling that stand there, in the text's order."""

    form: str
    chosen: Callable[[Sequence[str]], tuple[str, ...]]

    @staticmethod
    def read(text: str) -> "Slots":
        """Cuts a text where its marks stand."""
        pieces = _MARK.split(text)
        places = [ord(mark) - _FIRST_MARK for mark in pieces[1::2]]
        form = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])
        if len(places) > 1:
            return Slots(form, itemgetter(*places))
        return Slots(form, lambda words: tuple(words[place] for place in places))

    def filled(self, words: Sequence[str]) -> str:
        """The text with its words."""
        return self.form % self.chosen(words)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One template in one shape. `text` is in order: lines in quoted-printable, and lines that are yet to be filled."""

    subject: Slots
    text: tuple[bytes | Slots, ...]
    html: Slots

    @staticmethod
    def read(subject: str, text: str, html: str) -> "Prepared":
        """Prepares what the engine made with marks in place of values."""
        # Quoted-printable is told line by line, so that runs of lines can be encoded apart.
        runs = ((is_open, "".join(lines)) for is_open, lines in groupby(_LINE.findall(text), _is_marked))
        parts = tuple(Slots.read(lines) if is_open else legible(lines) for is_open, lines in runs)
        return Prepared(Slots.read(subject), parts, Slots.read(html))

    def filled(self, words: tuple[str, ...]) -> Bodies:
        """The subject, and the text and the page as a mail has them."""
        text = [part if isinstance(part, bytes) else legible(part.filled(words)) for part in self.text]
        return Bodies(
            self.subject.filled(words), b"".join(text), page(self.html.filled([str(escape(word)) for word in words]))
        )


def _is_marked(line: str) -> bool:
    return _MARK.search(line) is not None
