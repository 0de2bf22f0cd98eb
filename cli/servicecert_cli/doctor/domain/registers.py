"""What applications are compared with: the registers, and the lists of lost keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from .check import Finding, Subject, critical, examination, listed, ok, warning

OLD_DAYS = 35
"""The registers change each week: without a change for so long nobody loads them."""
OLD_LIST_DAYS = 90


@dataclass(frozen=True, slots=True)
class Registers:
    """How many records the topic holds, deletions among them, and the days since the newest; None if it is older than
    can be asked."""

    records: int
    days: float | None


@dataclass(frozen=True, slots=True)
class LostKeys:
    """A list of lost keys: its file, how many keys it holds, and its age in days."""

    name: str
    keys: int
    days: float


@examination(
    "registers",
    Subject.REGISTERS,
    "Are the registers loaded, and not old?",
    "An applicant who is not in the registers is sent away; one who has left them gets a certificate.",
)
def check_registers(registers: Registers) -> Finding:
    load = "Load them: `servicecert registers load`, see docs/registers.md."
    if not registers.records:
        return critical("The topic is empty: every application is sent back.", load)
    if registers.days is None:
        return warning(f"{registers.records} records; the newest is older than two years.", load)
    text = (
        f"{registers.records} records, deletions among them; the newest is {registers.days:.0f} days old. How many "
        "entries are left, intake's metric servicecert_followed_entries tells."
    )
    return warning(text, load) if registers.days >= OLD_DAYS else ok(text)


@examination(
    "key-lists",
    Subject.REGISTERS,
    "Are lists of lost keys there, and not old?",
    "Without them a key that everybody knows gets a certificate.",
)
def check_key_lists(facts: tuple[Sequence[LostKeys], str | None]) -> Finding:
    """Judge the lists, and why they cannot be used."""
    lists, fault = facts
    update = "Run `badkeys --update-bl` and copy the lists there; restart intake."
    if fault is not None:
        return critical(fault, update)
    if old := [f"{each.name} ({each.days:.0f} days)" for each in lists if each.days >= OLD_LIST_DAYS]:
        return warning(f"Old: {listed(old)}.", update)
    return ok(", ".join(f"{each.name} has {each.keys} keys" for each in lists) + ".")
