"""Expected errors: one sentence on standard error, and an exit code of sysexits.h."""

from collections.abc import Collection, Iterable
from functools import partial
from itertools import islice


def listed(names: Collection[object], separator: str = ", ", most: int = 3) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(map(str, islice(names, most))) + more


_many = partial(listed, most=20)


class UserError(Exception):
    """An error in one sentence: what is wrong, and what to do."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def unknown(what: str, names: Iterable[object], known: Collection[object] | None = None, see: str = "") -> UserError:
    """Return the error of names that select nothing: an empty selection is no success.

    It names those that there are, at most 20, or says where to `see` them.
    """
    there = f"see {see}" if known is None else f"there are {_many(known)}" if known else "there is none"
    return UserError(f"There is no {what} {_many(list(names))}: {there}.")
