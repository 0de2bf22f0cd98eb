"""Find the long names closest to a typed one, among 80,000 in a few milliseconds (A6).

RapidFuzz compares the typed words, sorted, with those of every name. The best matches are ranked by several measures.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process

from .spelling import corrected_spelling, spelling_of, without_accents

SIMILARITY = 60
"""The lowest similarity, in per cent, of a suggested name."""

MOST_ADDED = 1_000
"""How many names may be added to an index before it is rebuilt."""

_MIN_RATIO = 50
_MAX_RANKED = 60
_MAX_RESULTS = 20


@dataclass(frozen=True, eq=False, repr=False)
class NameIndex:
    """Names sorted by the length of their spellings, and those spellings. `added` are later names, not sorted."""

    names: Sequence[str]
    spellings: Sequence[str]
    lengths: Sequence[int]
    added: tuple[str, ...] = ()

    def with_added(self, names: Iterable[str]) -> "NameIndex | None":
        """Return the index with further names, or None where so many were added that it should be rebuilt."""
        added = tuple(dict.fromkeys((*self.added, *names)))
        return replace(self, added=added) if len(added) <= MOST_ADDED else None

    def closest(self, typed: str) -> list[str]:
        """Return the names closest to the typed one, the closest first."""
        target = corrected_spelling(typed).ordered
        # Texts whose lengths differ by a larger factor cannot reach the ratio.
        factor = (200 - _MIN_RATIO) / _MIN_RATIO
        first = bisect_left(self.lengths, len(target) / factor)
        candidates = self.spellings[first : bisect_right(self.lengths, len(target) * factor)]
        matches = process.extract(target, candidates, scorer=fuzz.ratio, score_cutoff=_MIN_RATIO, limit=_MAX_RANKED)
        return rank(typed, {self.names[first + place] for _, _, place in matches}.union(self.added))


def rank(typed: str, names: Iterable[str]) -> list[str]:
    """Return the names that are close enough, the closest first, ties in alphabetical order."""
    target, letters = corrected_spelling(typed), without_accents(typed)
    close = []
    for name in names:
        spelling = spelling_of(name)
        score = max(fuzz.ratio(target.joined, spelling.joined), fuzz.ratio(target.ordered, spelling.ordered))
        # Missing words count less than different words.
        score = 0.75 * score + 0.25 * fuzz.token_set_ratio(target.ordered, spelling.ordered)
        if score >= SIMILARITY:
            # Names in two languages can have one spelling: then the typed letters decide.
            close.append((-score, -fuzz.ratio(letters, without_accents(name)), name))
    return [name for *_, name in sorted(close)[:_MAX_RESULTS]]


def build_index(names: Iterable[str]) -> NameIndex:
    """Return an index of names, in a second for 80,000, ordered by length and alphabet on all workers alike."""
    ordered = sorted(names, key=lambda name: (len(spelling_of(name).ordered), name))
    # Created in the order of reading, so that they are adjacent in memory: comparing them takes half the time.
    spellings = [spelling_of(name).ordered for name in ordered]
    return NameIndex(ordered, spellings, [len(spelling) for spelling in spellings])
