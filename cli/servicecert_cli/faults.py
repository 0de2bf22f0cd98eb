"""Expected errors: one sentence on standard error, and an exit code of sysexits.h."""

from collections.abc import Collection, Iterable
from itertools import islice

_MOST_NAMED = 20


class UserError(Exception):
    """An error in one sentence: what is wrong, and what to do."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def unknown(what: str, names: Iterable[object], known: Collection[object] | None = None, see: str = "") -> UserError:
    """Return the error of names that select nothing: an empty selection is no success.

    It names those that there are, at most 20, or says where to `see` them.
    """
    there = f"see {see}" if known is None else f"there are {_listed(known)}" if known else "there is none"
    return UserError(f"There is no {what} {_listed(list(names))}: {there}.")


def _listed(names: Collection[object]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(str, islice(names, _MOST_NAMED))) + more
