"""The snapshot of the registers: immutable, indexed, quick to change."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, Registers, apply
from servicecert_schemas.register import LongNames, Organisation, RegisterEntry

DAY = date(2026, 11, 24)
CHANGES = [(entry.key(), entry) for entry in read_register(FICTITIOUS_REGISTERS)]


def parts(registers: Registers) -> list[dict[str, object]]:
    """Return the maps of a snapshot; of an index the entries in any order."""
    return [
        {key: sorted(value, key=str) if isinstance(value, tuple) else value for key, value in part.items()}
        for part in vars(registers).values()
        if hasattr(part, "items")
    ]


def test_A6_entries_are_found_by_name_oid_and_business_id(registers: Registers):
    (unit,) = registers.units_named("Apoteket Lyckebo VI", DAY)
    assert unit == registers.organisation("9900058-7", DAY)
    assert {each.oid for each in registers.units_of("9900058-7", DAY)} == {unit.oid, f"{unit.oid}.10.1"}
    assert registers.system("FIKTIO-1002").name == "Taikasauva Apteekkijärjestelmä"


def test_A6_where_the_organisation_itself_is_not_registered_a_unit_of_it_stands_for_it(registers: Registers):
    fewer = apply(registers, [("organisation/1.2.246.10.99000587/2020-01-01", None)])
    assert fewer.organisation("9900058-7", DAY).oid == "1.2.246.10.99000587.10.1"


@pytest.mark.parametrize("cut", [1, 3, len(CHANGES)])
def test_I12_how_changes_are_cut_into_batches_does_not_matter(registers: Registers, cut):
    built = NO_REGISTERS
    for start in range(0, len(CHANGES), cut):
        built = apply(built, CHANGES[start : start + cut])
    assert parts(built) == parts(registers)


@given(data=st.data())
def test_entries_that_are_gone_leave_nothing_behind(data):
    order = data.draw(st.permutations(CHANGES))
    gone = data.draw(st.lists(st.sampled_from(CHANGES), unique_by=lambda change: change[0]))
    left = apply(apply(NO_REGISTERS, order), [(key, None) for key, _ in gone])
    assert parts(left) == parts(apply(NO_REGISTERS, [change for change in CHANGES if change not in gone]))
    assert parts(apply(left, [(key, None) for key, _ in CHANGES])) == parts(NO_REGISTERS)


def test_a_renamed_unit_is_found_by_its_new_name_only(registers: Registers):
    key, entry = next((key, entry) for key, entry in CHANGES if key.startswith("organisation"))
    renamed = entry.model_copy(
        update={"entry": entry.entry.model_copy(update={"names": LongNames(fi="Uusi", sv="Ny")})}
    )
    changed = apply(registers, [(key, renamed)])
    assert not changed.units_named(entry.entry.names.fi, DAY)
    assert changed.units_named("Ny", DAY)[0].oid == entry.entry.oid
    assert registers.units_named(entry.entry.names.fi, DAY)


def test_an_event_that_is_no_entry_and_a_tombstone_of_nothing_change_nothing(registers: Registers, happenings):
    changed = apply(registers, [("unknown", None), ("other", happenings["issued"].data)])
    assert parts(changed) == parts(registers)


def test_a_name_that_is_the_same_in_both_languages_is_indexed_once():
    entry = organisation(1, LongNames(fi="Sama", sv="Sama"))
    assert len(apply(NO_REGISTERS, [(entry.key(), entry)]).by_name["Sama"]) == 1


def organisation(number: int, names: LongNames) -> RegisterEntry:
    entry = Organisation.model_construct(
        oid=f"1.2.246.10.{number}",
        business_id=f"{number // 10:07}-0",
        registered_name="Organisaatio",
        names=names,
        sector="public",
        organisation_kind="other",
        valid_from=date(2020, 1, 1),
        valid_to=None,
    )
    return RegisterEntry.model_construct(entry_id=f"organisation/{number}", entry=entry)
