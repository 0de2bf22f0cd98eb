"""F5: the registers and accounts that intake holds in memory are bounded, and it says so before they are full."""

import logging
from functools import partial

from servicecert_intake.domain.knowledge import NOTHING_KNOWN, apply
from servicecert_intake.operator.memory import Sizes
from servicecert_schemas import membership
from servicecert_schemas.event import Change
from servicecert_schemas.membership import NO_ACCOUNTS, accounts_after, refusals
from servicecert_schemas.register import Intermediary, RegisterEntry

from .conftest import NOW, member, opened

bounded = partial(apply, most_entries=2, most_accounts=2)


def entry(number: int, name: str = "Unelmasilta") -> Change:
    listed = Intermediary(business_id="9900066-7", name=name, valid_from=NOW.date())
    return Change(f"i-{number}", RegisterEntry(entry_id=f"i-{number}", entry=listed), NOW)


def test_f5_a_full_register_takes_changes_and_no_more_entries():
    full = bounded(NOTHING_KNOWN, [entry(1), entry(2), entry(3)])
    assert set(full.registers.entries) == {"i-1", "i-2"}
    changed = bounded(full, [entry(2, "Uusi nimi"), entry(4)])
    assert (len(changed.registers.entries), changed.registers.entries["i-2"].name) == (2, "Uusi nimi")
    room = bounded(changed, [Change("i-1", None, NOW), entry(5)])
    assert set(room.registers.entries) == {"i-2", "i-5"}


def test_f5_no_more_accounts_are_known_than_fit():
    known = bounded(NOTHING_KNOWN, [opened("a"), opened("b"), opened("c"), member("u", "a")])
    assert set(known.accounts) == {"a", "b"}
    assert ("u", None) in known.accounts["a"].members


def test_f5_an_account_has_a_bounded_number_of_members(monkeypatch):
    monkeypatch.setattr(membership, "MOST_MEMBERS", 2)
    changes = [opened("a"), member("u", "a"), member("v", "a"), member("u", "a", role="technical-partner")]
    accounts = accounts_after(NO_ACCOUNTS, changes)
    assert {user for user, _ in accounts["a"].members} == {"user-1", "u"}
    assert refusals(NO_ACCOUNTS, changes) == [(changes[2], "too-many-members")]


async def test_f5_a_full_register_is_an_alarm_and_a_gauge(caplog):
    sizes = Sizes(most_entries=2, most_accounts=2)
    entries, gauge = sizes.gauges()
    with caplog.at_level(logging.ERROR):
        sizes.note(bounded(NOTHING_KNOWN, [entry(1), opened("a")]))
        assert (gauge.read, caplog.records) == ({"registers": 0.5, "accounts": 0.5}, [])
        sizes.note(bounded(NOTHING_KNOWN, [entry(1), entry(2), entry(3)]))
    assert gauge.read == {"registers": 1, "accounts": 0}
    assert entries.read == {"registers": 2, "accounts": 0}
    assert [record.topic for record in caplog.records] == ["registers"]
    assert caplog.messages[0].startswith("alarm: ")
