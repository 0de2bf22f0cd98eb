"""What applications are compared with: the registers, and the lists of lost keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...conditions import CONDITIONS
from .check import Finding, fault, listed, ok
from .figures import check_values

OLD_LIST_DAYS = 90


@dataclass(frozen=True, slots=True)
class LostKeys:
    """A list of lost keys: its file, how many keys it holds, and its age in days."""

    name: str
    keys: int
    days: float


def check_registers(registers: tuple[int, float]) -> Finding:
    """Judge how many records the topic holds, deletions among them, and the seconds since the newest."""
    if not registers[0]:
        return fault("The topic is empty: every application is sent back.")
    return ok(
        f"{registers[0]} records, deletions among them. How many entries are left, intake's metric "
        "servicecert_followed_entries tells."
    )


def check_registers_age(registers: tuple[int, float]) -> Finding:
    """Judge whether the newest of them is old."""
    return check_values(CONDITIONS["RegistersStale"], [({}, registers[1])])


def check_key_lists(lists: Sequence[LostKeys]) -> Finding:
    """Say what is loaded."""
    return ok(", ".join(f"{each.name} has {each.keys} keys" for each in lists) + ".")


def check_key_lists_age(lists: Sequence[LostKeys]) -> Finding:
    """Judge the ages of the lists."""
    old = [f"{each.name} ({each.days:.0f} days)" for each in lists if each.days >= OLD_LIST_DAYS]
    return fault(f"Old: {listed(old)}.") if old else ok("None is.")
