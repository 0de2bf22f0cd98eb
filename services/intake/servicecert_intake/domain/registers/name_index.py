"""Finds the long names that are closest to what somebody typed, among 80,000 of them in some milliseconds (A6).

RapidFuzz compares the words that were typed, in the order of the alphabet, with those of every name. The best are ranked by several measures.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process

from .spelling import as_meant, spelt, without_accents

SIMILARITY = 60
"""How similar a name is at least, in per cent, to be suggested."""

MOST_ADDED = 1_000
"""How many names may be added to an index before it is made anew."""

_WORTH_A_LOOK = 50
_MOST_RANKED = 60
_MOST_FOUND = 20


@dataclass(frozen=True, eq=False, repr=False)
class NameIndex:
    """Names in order of their spellings' lengths, and those spellings. `added` are names that came later."""

    names: Sequence[str]
    spellings: Sequence[str]
    lengths: Sequence[int]
    added: tuple[str, ...] = ()

    def with_added(self, names: Iterable[str]) -> "NameIndex | None":
        """The index with further names, or None where there would be so many that another should be made. One that it has already does no harm."""
        added = tuple(dict.fromkeys((*self.added, *names)))
        return replace(self, added=added) if len(added) <= MOST_ADDED else None

    def closest(self, typed: str) -> list[str]:
        """The names closest to what was typed, the closest first."""
        target = as_meant(typed).ordered
        # Of two texts whose lengths differ more than this, too few characters can be the same.
        unlike = (200 - _WORTH_A_LOOK) / _WORTH_A_LOOK
        first = bisect_left(self.lengths, len(target) / unlike)
        some = self.spellings[first : bisect_right(self.lengths, len(target) * unlike)]
        found = process.extract(target, some, scorer=fuzz.ratio, score_cutoff=_WORTH_A_LOOK, limit=_MOST_RANKED)
        return ranked(typed, {self.names[first + place] for _, _, place in found}.union(self.added))


def ranked(typed: str, names: Iterable[str]) -> list[str]:
    """Those of the names that are close, the closest first, and of equally close ones in the order of the alphabet."""
    target, letters = as_meant(typed), without_accents(typed)
    close = []
    for name in names:
        spelling = spelt(name)
        likeness = max(fuzz.ratio(target.joined, spelling.joined), fuzz.ratio(target.ordered, spelling.ordered))
        # Words that were left out count less than words that are others.
        likeness = 0.75 * likeness + 0.25 * fuzz.token_set_ratio(target.ordered, spelling.ordered)
        if likeness >= SIMILARITY:
            # Names in two languages can be spelt alike: then that one is meant whose letters were typed.
            close.append((-likeness, -fuzz.ratio(letters, without_accents(name)), name))
    return [name for *_, name in sorted(close)[:_MOST_FOUND]]


def indexed(names: Iterable[str]) -> NameIndex:
    """An index of names: a second for 80,000. They stand in order of length and then of the alphabet, so that every worker finds the same."""
    known = sorted(names, key=lambda name: (len(spelt(name).ordered), name))
    # Made in the order in which they are read, so that they lie beside one another in memory: comparing them takes half the time.
    spellings = [spelt(name).ordered for name in known]
    return NameIndex(known, spellings, [len(spelling) for spelling in spellings])
