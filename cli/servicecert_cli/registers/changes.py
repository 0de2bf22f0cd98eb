"""Computes how a register file changes the current registers. Pure.

Past days never change (A6): the file applies from the day of loading on. An entry whose content changed ends on the day
before, and another follows it; an entry missing from the file also ends on the day before, and is never deleted. A new
entry has the dates of the register.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from servicecert_schemas.register import Intermediary, Organisation, RegisteredSystem, RegisterEntry

_MOST_CERTIFICATES = 100
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Changes:
    """The entries to publish, and the number of entries of the same registers in force now."""

    added: tuple[RegisterEntry, ...] = ()
    changed: tuple[RegisterEntry, ...] = ()
    ended: tuple[RegisterEntry, ...] = ()
    unchanged: int = 0
    in_force: int = 0

    @property
    def entries(self) -> tuple[RegisterEntry, ...]:
        """Return all, with the ended ones last: interrupted publishing then leaves no gap."""
        return (*self.added, *self.changed, *self.ended)

    @property
    def ended_percent(self) -> float:
        return 100 * len(self.ended) / self.in_force if self.in_force else 0.0


def changes(current: Mapping[str, RegisterEntry], file: Iterable[RegisterEntry], day: date) -> Changes:
    """Return the changes of a file loaded on `day`, for the registers that it has entries of."""
    newest = _newest(current)
    added: list[RegisterEntry] = []
    changed: list[RegisterEntry] = []
    ended: list[RegisterEntry] = []
    kinds: set[type] = set()
    unchanged = in_force = 0
    left = dict(newest)
    for entry in file:
        kinds.add(type(entry.entry))
        before = left.pop(entry.entry_id, None)
        if before is None:
            added.append(entry)
        elif following := _following(before, entry, day):
            # Also an end that the file itself has counts as one.
            goes_on = any(_is_in_force(each, day) for each in following) or not _is_in_force(before, day)
            (changed if goes_on else ended).extend(following)
        else:
            unchanged += 1
    for entry in newest.values():
        in_force += type(entry.entry) in kinds and _is_in_force(entry, day)
    missing = (entry for entry in left.values() if type(entry.entry) in kinds and _is_in_force(entry, day))
    ended += [_ended(entry, day) for entry in missing]
    return Changes(tuple(added), tuple(changed), tuple(ended), unchanged, in_force)


def _newest(current: Mapping[str, RegisterEntry]) -> dict[str, RegisterEntry]:
    """Return the last of entries that follow one another, by the id that they share in the register's file."""
    newest: dict[str, RegisterEntry] = {}
    for entry in current.values():
        family = _family(entry)
        if family not in newest or _begins(newest[family]) < _begins(entry):
            newest[family] = entry
    return newest


def _family(entry: RegisterEntry) -> str:
    if isinstance(entry.entry, RegisteredSystem):
        return entry.entry_id
    return "/".join(entry.entry_id.split("/")[:3])


def _begins(entry: RegisterEntry) -> date:
    return date.min if isinstance(entry.entry, RegisteredSystem) else entry.entry.valid_from


def _is_in_force(entry: RegisterEntry, day: date) -> bool:
    """Return whether an entry is valid on `day` or later. A system is while one of its certificates is."""
    what = entry.entry
    if isinstance(what, RegisteredSystem):
        return any(
            each.valid_to >= day and (each.withdrawn is None or each.withdrawn > day) for each in what.certificates
        )
    return what.valid_to is None or what.valid_to >= day


def _following(before: RegisterEntry, after: RegisterEntry, day: date) -> Sequence[RegisterEntry]:
    """Return the entries that turn `before` into `after`; none if equal, or if only past days differ."""
    old, new = before.entry, after.entry
    if isinstance(old, RegisteredSystem):
        assert isinstance(new, RegisteredSystem)
        merged = new.model_copy(update={"certificates": _certificates(old, new, day)})
        return () if merged == old else (after.model_copy(update={"entry": merged}),)
    assert not isinstance(new, RegisteredSystem)
    if not (_is_in_force(before, day) or _is_in_force(after, day)):
        return ()
    same = old == new.model_copy(update={"valid_from": old.valid_from, "valid_to": old.valid_to})
    if same and (old.valid_to == new.valid_to):
        return ()
    yesterday = day - _DAY
    if same and (old.valid_to is None or old.valid_to >= yesterday):
        last = None if new.valid_to is None else max(new.valid_to, yesterday)
        return () if last == old.valid_to else (_dated(before, old.valid_from, last),)
    if old.valid_from >= day:
        return (before.model_copy(update={"entry": new.model_copy(update={"valid_from": old.valid_from})}),)
    past = () if old.valid_to is not None and old.valid_to < day else (_dated(before, old.valid_from, yesterday),)
    if not _is_in_force(after, day):
        return past
    successor = after.model_copy(update={"entry_id": f"{after.entry_id}/{day}"})
    # The successor first: interrupted publishing then leaves the organisation twice rather than not at all.
    return (_dated(successor, day, new.valid_to), *past)


def _dated(entry: RegisterEntry, first: date, last: date | None) -> RegisterEntry:
    return entry.model_copy(update={"entry": entry.entry.model_copy(update={"valid_from": first, "valid_to": last})})


def _ended(entry: RegisterEntry, day: date) -> RegisterEntry:
    """Return the entry, ended on the day before `day`. An entry that has not begun never begins."""
    what: Organisation | Intermediary | RegisteredSystem = entry.entry
    if isinstance(what, RegisteredSystem):
        nothing = what.model_copy(update={"certificates": ()})
        return entry.model_copy(
            update={"entry": what.model_copy(update={"certificates": _certificates(what, nothing, day)})}
        )
    return _dated(entry, what.valid_from, day - _DAY)


def _certificates(old: RegisteredSystem, new: RegisteredSystem, day: date) -> tuple[object, ...]:
    """Return the system's certificates, at most the newest 100. Those missing from the file are withdrawn on `day`."""
    numbers = {each.number for each in new.certificates}
    missing = [
        each.model_copy(update={"withdrawn": day if each.withdrawn is None else min(each.withdrawn, day)})
        if each.valid_to >= day
        else each
        for each in old.certificates
        if each.number not in numbers
    ]
    missing.sort(key=lambda each: each.valid_to, reverse=True)
    return tuple([*new.certificates, *missing][:_MOST_CERTIFICATES])
