"""How a file changes the registers: entries are added, changed or ended, never deleted; past days do not change."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_cli.registers.changes import Changes, changes
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, Registers, Unit, apply
from servicecert_schemas.register import RegisterEntry

DAY = date(2026, 11, 24)
YESTERDAY = DAY - timedelta(days=1)
PHARMACY = {
    "kind": "organisation",
    "oid": "1.2.246.10.99000587",
    "business_id": "9900058-7",
    "registered_name": "Apteekkari Urho Kuviteltu",
    "names": {"fi": "Onnelan VI apteekki", "sv": "Apoteket Lyckebo VI"},
    "sector": "private",
    "organisation_kind": "pharmacy",
    "valid_from": date(2020, 1, 1),
}
CERTIFICATE = {"number": "T-1", "valid_from": date(2025, 1, 1), "valid_to": date(2029, 12, 31)}
SYSTEM = {"kind": "information-system", "system_id": "S-1", "name": "Taikasauva", "system_class": "A3"}
Standing = dict[str, RegisterEntry]


def entry(**fields) -> RegisterEntry:
    what = {**PHARMACY, **fields}
    return RegisterEntry.model_validate({"entry_id": f"organisation/{what['oid']}/{what['valid_from']}", "entry": what})


def intermediary(name: str, **fields) -> RegisterEntry:
    what = {"kind": "intermediary", "business_id": "9900066-7", "name": name, "valid_from": date(2021, 3, 1), **fields}
    return RegisterEntry.model_validate({"entry_id": "intermediary/9900066-7/2021-03-01", "entry": what})


def system(*certificates: object, **fields) -> RegisterEntry:
    what = {**SYSTEM, **fields, "certificates": certificates}
    return RegisterEntry.model_validate({"entry_id": "information-system/S-1", "entry": what})


def loaded(standing: Standing, file: list[RegisterEntry], day: date) -> Standing:
    """What stands after a file was loaded on a day. Loading it once more that day, or the next, changes nothing."""
    after = {**standing, **{each.entry_id: each for each in changes(standing, file, day).entries}}
    for again in (day, day + timedelta(days=1)):
        assert changes(after, file, again).entries == ()
    return after


def snapshot(standing: Standing) -> Registers:
    return apply(NO_REGISTERS, list(standing.items()))


def counted(found: Changes) -> tuple[int, int, int, int]:
    return len(found.added), len(found.changed), len(found.ended), found.unchanged


def test_the_first_file_adds_all_with_its_own_days():
    found = changes({}, [entry(), entry(oid="1.2.246.10.7", valid_from=date(2021, 1, 1))], DAY)
    assert counted(found) == (2, 0, 0, 0)
    assert found.entries[0] == entry()


def test_A6_an_entry_that_the_file_has_no_more_ends_yesterday_and_is_not_deleted():
    standing = loaded({}, [entry(), entry(oid="1.2.246.10.7")], DAY)
    found = changes(standing, [entry()], DAY)
    assert (counted(found), found.in_force, found.ended_percent) == ((0, 0, 1, 1), 2, 50)
    after = snapshot(loaded(standing, [entry()], DAY))
    named = [len(after.units_named("Onnelan VI apteekki", day)) for day in (YESTERDAY, DAY)]
    assert named == [2, 1]


def test_registers_that_the_file_has_no_entries_of_stay():
    standing = loaded({}, [entry(), intermediary("Unelmasilta Oy"), system(CERTIFICATE)], DAY)
    assert counted(changes(standing, [intermediary("Unelmasilta Oy")], DAY)) == (0, 0, 0, 1)


def test_A6_a_pharmacy_whose_pharmacist_changes_is_another_organisation_from_that_day_on():
    """The business id is the pharmacist's; the name stays."""
    standing = loaded({}, [entry()], date(2026, 1, 1))
    new = {"business_id": "9900041-3", "registered_name": "Apteekkari Impi Keksitty"}
    after = snapshot(loaded(standing, [entry(**new)], DAY))
    for day, business_id in ((date(2025, 6, 1), "9900058-7"), (YESTERDAY, "9900058-7"), (DAY, "9900041-3")):
        (unit,) = after.units_named("Onnelan VI apteekki", day)
        assert unit.business_id == business_id
        assert after.organisation(business_id, day) is not None
    assert after.organisation("9900058-7", DAY) is None
    assert after.organisation("9900041-3", YESTERDAY) is None


def test_A6_the_register_may_date_a_change_itself():
    old = entry(valid_to=date(2026, 6, 30))
    new = entry(valid_from=date(2026, 7, 1), business_id="9900041-3")
    after = snapshot(loaded({}, [old, new], DAY))
    assert [after.units_named("Onnelan VI apteekki", day)[0].business_id for day in (date(2026, 6, 30), DAY)] == [
        "9900058-7",
        "9900041-3",
    ]


def test_A6_a_name_that_changes_is_the_old_one_until_yesterday():
    standing = loaded({}, [entry()], date(2026, 1, 1))
    file = [entry(names={"fi": "Onnelan uusi apteekki"})]
    found = changes(standing, file, DAY)
    assert counted(found) == (0, 2, 0, 0)
    after = snapshot(loaded(standing, file, DAY))
    assert after.units_named("Onnelan VI apteekki", YESTERDAY)
    assert not after.units_named("Onnelan VI apteekki", DAY)
    assert after.units_named("Onnelan uusi apteekki", DAY)
    assert not after.units_named("Onnelan uusi apteekki", YESTERDAY)


def test_A6_a_change_of_an_entry_that_begins_today_or_later_replaces_it():
    standing = loaded({}, [entry(valid_from=DAY)], YESTERDAY)
    after = loaded(standing, [entry(valid_from=DAY, names={"fi": "Toinen"})], DAY)
    assert [each.entry.names.fi for each in after.values()] == ["Toinen"]


@pytest.mark.parametrize(
    ("before", "after", "stands"),
    [
        (None, date(2026, 12, 31), date(2026, 12, 31)),
        (date(2026, 12, 31), None, None),
        (None, date(2025, 12, 31), YESTERDAY),
        (date(2025, 12, 31), date(2024, 12, 31), date(2025, 12, 31)),
    ],
    ids=["ends later", "goes on", "ended before today", "ended long ago"],
)
def test_A6_another_last_day_holds_as_far_as_it_is_not_past(before, after, stands):
    standing = loaded({}, [entry(valid_to=before)], date(2024, 1, 1))
    (found,) = loaded(standing, [entry(valid_to=after)], DAY).values()
    assert found.entry.valid_to == stands


def test_A6_an_entry_that_comes_back_is_in_force_from_that_day_on():
    gone = {**loaded({}, [entry()], date(2024, 1, 1)), entry().entry_id: entry(valid_to=date(2026, 10, 31))}
    after = snapshot(loaded(gone, [entry()], DAY))
    assert [bool(after.units_named("Onnelan VI apteekki", day)) for day in (date(2026, 10, 31), YESTERDAY, DAY)] == [
        True,
        False,
        True,
    ]


def test_A6_another_content_of_past_days_only_changes_nothing():
    standing = loaded({}, [entry(valid_to=date(2025, 12, 31))], date(2024, 1, 1))
    assert counted(changes(standing, [entry(valid_to=date(2025, 12, 31), registered_name="X")], DAY)) == (0, 0, 0, 1)


def test_an_end_that_the_file_has_counts_as_one():
    first, second = entry(), intermediary("Välittäjä Oy")
    lapsed = system({**CERTIFICATE, "valid_to": YESTERDAY})
    standing = loaded({}, [first, second, system(CERTIFICATE)], YESTERDAY)
    found = changes(
        standing, [entry(valid_to=YESTERDAY), intermediary("Förmedlare Ab", valid_to=YESTERDAY), lapsed], DAY
    )
    assert (counted(found), found.in_force, found.ended_percent) == ((0, 0, 3, 0), 3, 100)
    found = changes(standing, [entry(valid_to=DAY), second, system(CERTIFICATE)], DAY)
    assert (counted(found), found.ended_percent) == ((0, 1, 0, 2), 0)


def test_A6_an_entry_whose_content_changed_and_that_has_ended_ends_yesterday():
    standing = loaded({}, [entry()], date(2024, 1, 1))
    (found,) = loaded(standing, [entry(valid_to=date(2026, 1, 1), registered_name="X")], DAY).values()
    assert (found.entry.valid_to, found.entry.registered_name) == (YESTERDAY, "Apteekkari Urho Kuviteltu")


def test_A9_an_intermediary_that_is_no_more_listed_was_one_until_yesterday():
    others = [intermediary("Toinen Oy").model_copy(update={"entry_id": "intermediary/9900090-7/2021-03-01"})]
    after = snapshot(loaded(loaded({}, [intermediary("Unelmasilta Oy"), *others], DAY), others, DAY))
    assert after.entries["intermediary/9900066-7/2021-03-01"].valid_to == YESTERDAY


def test_A7_a_certificate_that_the_file_has_no_more_is_withdrawn_from_today():
    standing = loaded({}, [system(CERTIFICATE)], date(2026, 1, 1))
    other = {**CERTIFICATE, "number": "T-2"}
    (found,) = loaded(standing, [system(other)], DAY).values()
    assert {each.number: each.withdrawn for each in found.entry.certificates} == {"T-2": None, "T-1": DAY}


def test_A7_a_system_that_the_file_has_no_more_keeps_its_certificates_as_withdrawn():
    old = {"number": "T-0", "valid_from": date(2020, 1, 1), "valid_to": date(2022, 1, 1)}
    other = RegisterEntry.model_validate(
        {"entry_id": "information-system/S-2", "entry": {**SYSTEM, "system_id": "S-2", "certificates": ()}}
    )
    standing = loaded({}, [system(old, CERTIFICATE), other], date(2026, 1, 1))
    found = changes(standing, [other], DAY)
    assert (counted(found), found.in_force) == ((0, 0, 1, 1), 1)
    (ended,) = found.ended
    assert {each.number: each.withdrawn for each in ended.entry.certificates} == {"T-0": None, "T-1": DAY}


def test_A7_of_very_many_certificates_the_newest_are_kept():
    many = [{**CERTIFICATE, "number": f"T-{each}"} for each in range(100)]
    standing = loaded({}, [system(*many)], date(2026, 1, 1))
    (found,) = loaded(standing, [system({**CERTIFICATE, "number": "new"})], DAY).values()
    assert len(found.entry.certificates) == 100
    assert found.entry.certificates[0].number == "new"


DAYS = st.dates(date(2026, 11, 20), date(2026, 11, 30))
ROWS = st.builds(
    lambda bounds, name, business_id: entry(
        valid_from=date(2026, 11, 20), valid_to=bounds, names={"fi": name}, business_id=business_id
    ),
    st.none() | DAYS,
    st.sampled_from(["Yksi", "Kaksi"]),
    st.sampled_from(["9900058-7", "9900041-3"]),
)
OTHER = entry(oid="1.2.246.10.7", names={"fi": "Toinen"})


@given(files=st.lists(st.none() | ROWS, min_size=1, max_size=6))
def test_A6_whatever_is_loaded_past_days_stay_and_today_is_what_the_file_says(files):
    """One row, loaded with another content, or not there, each second day."""
    standing: Standing = {}
    days = [date(2026, 11, 20) + timedelta(days=each) for each in range(14)]
    for number, row in enumerate(files):
        day = date(2026, 11, 20) + timedelta(days=2 * number)
        before = snapshot(standing)
        file = [OTHER] if row is None else [OTHER, row]
        standing = loaded(standing, file, day)
        after, stated = snapshot(standing), snapshot({each.entry_id: each for each in file})
        if number:
            for past in (each for each in days if each < day):
                new_row = row is not None and not any(name.startswith(row.entry_id) for name in before.entries)
                assert new_row or seen(after, past) == seen(before, past)
        for coming in (each for each in days if each >= day):
            assert seen(after, coming) == seen(stated, coming)


def seen(registers: Registers, day: date) -> set[tuple[str, str]]:
    units = (each for each in registers.entries.values() if isinstance(each, Unit))
    return {(unit.name_fi, unit.business_id) for unit in units if unit.is_valid(day)}
