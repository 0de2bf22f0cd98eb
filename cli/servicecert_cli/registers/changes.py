"""What a register file changes of the registers as they stand. Pure.

A day that is past stays as it was judged (A6): what the file says otherwise holds from the day of loading on. An entry whose content changed ends on
the day before, and another follows it; an entry that the file has no more ends so too, and is never deleted. An entry that is new is dated as the
register dates it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from servicecert_schemas.register import Intermediary, Organisation, RegisteredSystem, RegisterEntry

_MOST_CERTIFICATES = 100
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be published, and how many entries of the same registers are in force now."""

    added: tuple[RegisterEntry, ...] = ()
    changed: tuple[RegisterEntry, ...] = ()
    ended: tuple[RegisterEntry, ...] = ()
    unchanged: int = 0
    in_force: int = 0

    @property
    def entries(self) -> tuple[RegisterEntry, ...]:
        """All, in an order that leaves no gap where publishing breaks off: what ends comes last."""
        return (*self.added, *self.changed, *self.ended)

    @property
    def ended_percent(self) -> float:
        """How many of those in force end, in per cent."""
        return 100 * len(self.ended) / self.in_force if self.in_force else 0.0


def changes(standing: Mapping[str, RegisterEntry], file: Iterable[RegisterEntry], day: date) -> Changes:
    """What follows from a file that is loaded on `day`, for the registers that it has entries of."""
    newest = _newest(standing)
    added: list[RegisterEntry] = []
    changed: list[RegisterEntry] = []
    kinds: set[type] = set()
    unchanged = in_force = 0
    left = dict(newest)
    for entry in file:
        kinds.add(type(entry.entry))
        before = left.pop(entry.entry_id, None)
        if before is None:
            added.append(entry)
        elif following := _following(before, entry, day):
            changed += following
        else:
            unchanged += 1
    for entry in newest.values():
        in_force += type(entry.entry) in kinds and _is_in_force(entry, day)
    gone = (entry for entry in left.values() if type(entry.entry) in kinds and _is_in_force(entry, day))
    ended = tuple(_ended(entry, day) for entry in gone)
    return Changes(tuple(added), tuple(changed), ended, unchanged, in_force)


def _newest(standing: Mapping[str, RegisterEntry]) -> dict[str, RegisterEntry]:
    """Of entries that follow one another the last, under the id that the register's own file gives them all."""
    newest: dict[str, RegisterEntry] = {}
    for entry in standing.values():
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
    """Whether an entry holds on `day` or will later, so that it can end. A system does while one of its certificates does."""
    what = entry.entry
    if isinstance(what, RegisteredSystem):
        return any(
            each.valid_to >= day and (each.withdrawn is None or each.withdrawn > day) for each in what.certificates
        )
    return what.valid_to is None or what.valid_to >= day


def _following(before: RegisterEntry, after: RegisterEntry, day: date) -> Sequence[RegisterEntry]:
    """The entries that make of what stands what the file says; none where it says the same, or differs about past days only."""
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
    # The successor first: where publishing breaks off between the two, the organisation is there twice rather than not at all.
    return (_dated(successor, day, new.valid_to), *past)


def _dated(entry: RegisterEntry, first: date, last: date | None) -> RegisterEntry:
    return entry.model_copy(update={"entry": entry.entry.model_copy(update={"valid_from": first, "valid_to": last})})


def _ended(entry: RegisterEntry, day: date) -> RegisterEntry:
    """The entry as it stands when the register has it no more. One that has not begun never does."""
    what: Organisation | Intermediary | RegisteredSystem = entry.entry
    if isinstance(what, RegisteredSystem):
        nothing = what.model_copy(update={"certificates": ()})
        return entry.model_copy(
            update={"entry": what.model_copy(update={"certificates": _certificates(what, nothing, day)})}
        )
    return _dated(entry, what.valid_from, day - _DAY)


def _certificates(old: RegisteredSystem, new: RegisteredSystem, day: date) -> tuple[object, ...]:
    """The system's certificates, with those that the file has no more as withdrawn on `day`; of very many the newest."""
    named = {each.number for each in new.certificates}
    gone = [
        each.model_copy(update={"withdrawn": day if each.withdrawn is None else min(each.withdrawn, day)})
        if each.valid_to >= day
        else each
        for each in old.certificates
        if each.number not in named
    ]
    return tuple([*new.certificates, *sorted(gone, key=lambda each: each.valid_to, reverse=True)][:_MOST_CERTIFICATES])
