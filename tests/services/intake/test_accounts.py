"""A2, A3: who may act for an account and in which case, and events that arrive before their user's invitation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.decide import ASK_AGAIN, MOST_WAITING
from servicecert_intake.domain.knowledge import NOTHING_KNOWN, Knowledge
from servicecert_intake.domain.knowledge import apply as apply_all
from servicecert_intake.service import open_service
from servicecert_intake.settings import Settings
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.case import NO_CASE, CaseState, EventRefused
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import Actor, Change, Role
from servicecert_schemas.membership import MEMBERSHIP_RETRIES, NO_ACCOUNTS, refusals
from servicecert_schemas.membership import accounts_after as apply
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.decider import Due
from servicecert_worker.core.record import Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import SnapshotFollower
from services.intake.conftest import with_form

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CASE, OTHER = UUID("0d9bb3a2-5d0a-4c5e-8a43-4b7d6c1c9f10"), UUID(int=8)
ACTOR = Actor(user_id="user-1", account_id="account-1", assurance="high", role="colleague")


def opened(business_id="9900058-7", at=NOW - HOUR, by="user-1"):
    actor = acting(by)
    return Change(
        "account-1",
        AccountOpened(
            account_id="account-1", actor=actor, business_id=business_id, organisation_name="Onnelan VI apteekki"
        ),
        at,
    )


def acting(user, **changes):
    return ACTOR.model_copy(update={"user_id": user, **changes})


def added(user, role="colleague", case=None, at=NOW - HOUR, by=ACTOR):
    return Change(
        "account-1",
        AccountMemberAdded(
            account_id="account-1", actor=by, user_id=user, role=role, invited_by=by.user_id, case_id=case
        ),
        at,
    )


def removed(user, case=None, at=NOW, by=ACTOR):
    return Change(
        "account-1",
        AccountMemberRemoved(account_id="account-1", actor=by, user_id=user, role="colleague", case_id=case),
        at,
    )


def role(user, *changes, case=CASE, sent=NOW):
    return apply(NO_ACCOUNTS, changes)["account-1"].member(user, case, sent)


def test_A2_who_opened_the_account_and_who_was_invited_may_act():
    assert role("user-1", opened()) == role("user-2", opened(), added("user-2")) == Role.COLLEAGUE
    assert role("user-3", opened(), added("user-2")) is None


def test_A2_who_opens_an_account_is_a_colleague_whatever_role_the_event_claims():
    event = opened()
    claimed = event.data.actor.model_copy(update={"role": Role.TECHNICAL_CONTACT})
    assert role("user-1", replace(event, data=event.data.model_copy(update={"actor": claimed}))) == Role.COLLEAGUE


def test_I12_a_turn_s_snapshot_is_not_changed_by_what_is_read_after_it():
    """A turn may decide with it in another thread. Any cutting of the events ends in the same accounts."""
    events = [opened(), added("user-2"), added("user-3"), removed("user-2"), added("user-2", at=NOW + HOUR)]
    whole = apply(NO_ACCOUNTS, events)
    for cut in range(len(events)):
        before = apply(NO_ACCOUNTS, events[:cut])
        kept = {key: dict(account.members) for key, account in before.items()}
        assert apply(before, events[cut:]) == whole
        assert {key: dict(account.members) for key, account in before.items()} == kept
    assert apply(whole, [opened()]) is whole


def test_A2_an_account_is_bound_to_the_first_organisation_for_ever():
    book = apply(NO_ACCOUNTS, [opened(), opened("9900001-8")])
    assert book["account-1"].business_id == "9900058-7"


def test_A2_opening_an_account_again_makes_nobody_a_member():
    first = apply(NO_ACCOUNTS, [opened()])
    again = [opened(by="stranger"), opened(by="stranger", at=NOW - 9 * HOUR), opened(at=NOW)]
    assert apply(first, again) == first
    assert list(refusals(first, again)) == [(each, "not-a-member") for each in again[:2]]


MEMBERS = (
    opened(at=NOW - 2 * HOUR),
    added("user-2"),
    added("partner", "technical-partner"),
    added("contact", "technical-contact", CASE),
    added("helper", "colleague", CASE),
    added("gone"),
    removed("gone"),
)
OUTSIDERS = {
    "a stranger": (acting("stranger"), "not-a-member"),
    "a colleague of another account": (acting("user-2", account_id="account-2"), "not-a-member"),
    "a removed colleague": (acting("gone"), "not-a-member"),
    "a colleague of one case": (acting("helper"), "not-a-member"),
    "a technical contact": (acting("contact"), "not-a-member"),
    "a technical partner": (acting("partner"), "role-not-allowed"),
    "a colleague who acts for the authority": (acting("user-2", role=Role.OPERATOR), "role-not-allowed"),
    "a colleague, not strongly authenticated": (acting("user-2", assurance="low"), "not-strongly-authenticated"),
}


@pytest.mark.parametrize("who", OUTSIDERS)
def test_A2_only_a_colleague_of_the_account_adds_and_removes_a_member(who):
    actor, code = OUTSIDERS[who]
    book = apply(NO_ACCOUNTS, MEMBERS)
    by_outsider = [added("stranger", at=NOW, by=actor), added("stranger", "technical-contact", CASE, at=NOW, by=actor)]
    by_outsider += [removed("user-2", at=NOW, by=actor), removed("user-1", at=NOW, by=actor)]
    assert apply(book, by_outsider) == book
    assert list(refusals(book, by_outsider)) == [(each, code) for each in by_outsider]


def test_A2_each_colleague_invites_and_removes_and_what_was_sent_while_one_was_still_counts():
    book = apply(NO_ACCOUNTS, MEMBERS)
    late = [added("user-3", at=NOW - timedelta(minutes=1), by=acting("gone")), removed("user-1", by=acting("user-2"))]
    assert list(refusals(book, late)) == []
    after = apply(book, late)["account-1"]
    assert (after.member("user-3", CASE, NOW), after.member("user-1", CASE, NOW)) == (Role.COLLEAGUE, None)


def test_A2_nobody_is_added_to_an_account_before_it_is_opened():
    early = added("stranger", by=acting("stranger"))
    assert apply(NO_ACCOUNTS, [early]) == NO_ACCOUNTS
    assert list(refusals(NO_ACCOUNTS, [early, opened()])) == [(early, "not-a-member")]


@given(data=st.data())
def test_A2_I12_any_batches_have_the_same_members_and_refuse_the_same(data):
    users = ["user-1", "user-2", "partner", "stranger"]
    kinds = [
        lambda user, by, at: opened(by=by, at=at),
        lambda user, by, at: added(user, by=acting(by), at=at),
        lambda user, by, at: added(user, "technical-partner", by=acting(by), at=at),
        lambda user, by, at: removed(user, by=acting(by), at=at),
    ]
    drawn = st.tuples(st.sampled_from(kinds), st.sampled_from(users), st.sampled_from(users), st.integers(-300, 300))
    changes = [kind(user, by, NOW + timedelta(minutes=at)) for kind, user, by, at in data.draw(st.lists(drawn))]
    cut = data.draw(st.integers(0, len(changes)))
    first = apply(NO_ACCOUNTS, changes[:cut])
    assert apply(first, changes[cut:]) == apply(NO_ACCOUNTS, changes)
    alone = [*refusals(NO_ACCOUNTS, changes[:cut]), *refusals(first, changes[cut:])]
    assert alone == list(refusals(NO_ACCOUNTS, changes))


@pytest.mark.parametrize("attack", [opened(at=NOW, by="stranger"), added("stranger", at=NOW, by=acting("stranger"))])
def test_A2_who_made_himself_a_member_does_not_withdraw_the_owners_case(
    happen, happenings, invited, registers, after, attack
):
    case, withdrawn = after("submitted without request"), happenings["withdrawn"]
    sent = replace(withdrawn, data=withdrawn.data.model_copy(update={"actor": acting("stranger")}))
    known = Knowledge(registers, apply(invited.accounts, [attack]))
    held = happen(sent, case, known=known)
    last = asked(happen, held.state, known, 60)
    assert last.state == case
    assert [each.code for each in last.events] == ["no-such-case"]


async def test_A2_what_is_refused_is_counted_and_rings(caplog):
    async with open_service(Settings(), None) as service:
        snapshot = SnapshotFollower(service.snapshot, Broker(Cluster("nowhere:1"), "intake"), Verifier({}))
    caplog.clear()
    stranger = acting("stranger")
    events = [
        opened(),
        opened(by="stranger"),
        added("stranger", by=stranger),
        added("user-2"),
        removed("user-1", by=stranger),
    ]
    records = [to_record(each.data, source="/e-service", id=uuid4(), time=each.time) for each in events]
    await snapshot.follower.receive(
        [Record(made.topic, 0, at, made.key, made.headers, made.value, NOW) for at, made in enumerate(records)]
    )
    assert {user for user, _ in snapshot.value.accounts["account-1"].members} == {"user-1", "user-2"}
    assert snapshot.follower.skipped == {("accounts", "not-a-member"): 3}
    assert [record.key for record in caplog.records] == ["account-1"] * 3
    assert all(message.startswith("alarm: ") for message in caplog.messages)


async def test_A2_what_changes_no_account_is_answered_unless_it_is_old_or_nobody_knows_its_id():
    given: list[Any] = []
    async with open_service(Settings(), None) as service:
        broker = Broker(Cluster("nowhere:1"), "intake")
        snapshot = SnapshotFollower(service.snapshot, broker, Verifier({}), given.extend)

    def sent(data, id, **changes):
        return replace(to_record(data, source="/e-service", id=UUID(int=id), time=NOW), **changes)

    now, attack = machine_clock(), added("stranger", by=acting("stranger")).data
    records = [
        (sent(opened().data, 1), now),
        (sent(attack, 2), now),
        (sent(attack, 3), now - timedelta(days=2)),
        (sent(attack, 4, headers=[]), now),
        (sent(attack, 5, value=b"{}"), now),
        (sent(attack, 6, key="konto-å".encode()), now),
        (sent(attack, 7, topic="registers"), now),
    ]
    await snapshot.follower.receive(
        [Record(made.topic, 0, at, made.key, made.headers, made.value, when) for at, (made, when) in enumerate(records)]
    )
    answers = [each.what.data for each in given]
    assert sorted((each.event_id.int, each.code, each.texts.en.split(": ")[1]) for each in answers) == [
        (2, "not-a-member", "who made it may not invite. Ask a colleague of the account who may invite to make it."),
        (
            5,
            "wrong-schema",
            "its data are not valid. Check the business ID and the user's reference, correct them, and make the change "
            "again.",
        ),
    ]
    assert {(each.case_id, each.key()) for each in answers} == {(NO_CASE, "account/account-1")}
    decided = [service.rules.decide(None, each.what, NOTHING_KNOWN, now) for each in given]
    assert [each.events for each in decided] == [(answer,) for answer in answers]


def test_A3_a_technical_contact_reaches_the_one_case():
    invited = (opened(), added("contact", "technical-contact", CASE))
    assert role("contact", *invited) is Role.TECHNICAL_CONTACT
    assert role("contact", *invited, case=OTHER) is None
    assert role("contact", opened(), added("contact", "technical-contact")) is None


def test_A2_a_removed_member_is_refused_from_then_on_and_what_was_sent_before_counts():
    gone = (opened(), added("user-2"), removed("user-2"))
    assert role("user-2", *gone, sent=NOW - timedelta(seconds=1)) is Role.COLLEAGUE
    assert role("user-2", *gone, sent=NOW) is None
    assert role("user-2", *gone, sent=NOW - 2 * HOUR) is None
    assert role("user-2", *gone, added("user-2", at=NOW + HOUR)) is Role.COLLEAGUE


def test_A2_a_removal_by_a_clock_that_is_behind_the_invitation_s_counts():
    gone = (opened(), added("user-2"), removed("user-2", at=NOW - HOUR - timedelta(minutes=5)))
    assert role("user-2", *gone) is role("user-2", *gone, sent=NOW - HOUR) is None
    assert role("user-2", *gone, added("user-2", at=NOW)) is Role.COLLEAGUE


def test_A3_who_is_removed_from_one_case_keeps_the_others_and_who_is_removed_from_the_account_keeps_none():
    both = (opened(), *(added("contact", "technical-contact", case) for case in (CASE, OTHER)))
    assert role("contact", *both, removed("contact", CASE)) is None
    assert role("contact", *both, removed("contact", CASE), case=OTHER) is Role.TECHNICAL_CONTACT
    assert role("contact", *both, removed("contact"), case=OTHER) is None


def test_I2_what_is_repeated_or_older_than_what_is_known_changes_nothing():
    gone = (opened(), added("user-2"), removed("user-2"))
    assert role("user-2", *gone, *gone) is None
    back = (*gone, added("user-2", at=NOW + HOUR))
    assert apply(NO_ACCOUNTS, (*back, *back)) == apply(NO_ACCOUNTS, back)


@pytest.mark.parametrize(
    "acts", [("add 1", "remove 10", "add 12"), ("add 12", "remove 10"), ("add 1", "remove 10", "add 12", "remove 13")]
)
def test_I2_a_record_that_is_sent_again_within_minutes_changes_nothing(acts):
    moments = [(what, NOW + timedelta(minutes=int(at))) for what, at in map(str.split, acts)]
    each = [added("user-2", at=at) if what == "add" else removed("user-2", at=at) for what, at in moments]
    once = apply(NO_ACCOUNTS, (opened(), *each))
    for again in each:
        assert apply(NO_ACCOUNTS, (opened(), *each, again)) == once


def test_A2_a_role_that_was_changed_is_not_taken_back_by_a_repetition():
    first, second = added("user-2", at=NOW - 3 * HOUR), added("user-2", "technical-partner", at=NOW - HOUR)
    before = opened(at=NOW - 4 * HOUR)
    assert role("user-2", before, first, second, first) is Role.TECHNICAL_PARTNER


def test_A2_of_two_roles_that_are_given_in_one_moment_the_last_counts():
    both = [added("user-2", at=NOW), added("user-2", "technical-partner", at=NOW)]
    assert role("user-2", opened(), *both) is Role.TECHNICAL_PARTNER


def test_a_record_that_says_nothing_of_an_account_changes_none():
    assert apply(NO_ACCOUNTS, [Change("account-1", None, NOW)]) == NO_ACCOUNTS


def test_registers_and_accounts_are_one_snapshot_of_two_topics():
    (entry, *_) = read_register(FICTITIOUS_REGISTERS)
    registers = apply_all(NOTHING_KNOWN, [Change(entry.key(), entry, NOW)])
    both = apply_all(registers, [opened()])
    assert both.registers is registers.registers
    assert both.accounts["account-1"].business_id == "9900058-7"
    assert apply_all(both, [Change(entry.key(), None, NOW)]).accounts is both.accounts


@pytest.fixture
def nobody(registers):
    """No account is known yet."""
    return Knowledge(registers)


@pytest.fixture
def invited(registers):
    """The account, its organisation and its first member are known."""
    return Knowledge(registers, apply(NO_ACCOUNTS, [opened()]))


def asked(happen, case, known, after):
    return happen(Due(uuid4(), str(CASE), ASK_AGAIN, NOW), case, NOW + timedelta(seconds=after), known)


def wakes(decision):
    return [deadline.at - NOW for deadline in decision.deadlines if deadline.kind == ASK_AGAIN]


def test_A2_an_application_that_overtakes_its_account_waits_and_is_decided_when_it_is_known(
    happen, happenings, nobody, invited
):
    held = happen(happenings["submitted"], known=nobody)
    assert (held.events[0].state, held.events[0].version) == (CaseState.SUBMITTED, 1)
    assert wakes(held) == [MEMBERSHIP_RETRIES[0]]
    again = asked(happen, held.state, nobody, 0.3)
    assert (again.state, again.events, wakes(again)) == (held.state, (), [MEMBERSHIP_RETRIES[1]])
    decided = asked(happen, again.state, invited, 1)
    changed, accepted = decided.events
    assert isinstance(accepted, ApplicationAccepted)
    assert (changed.state, changed.version) == (CaseState.ACCEPTED, 2)
    assert decided.state.waiting == ()


def test_A2_after_a_minute_it_is_refused(happen, happenings, nobody):
    case = happen(happenings["submitted"], known=nobody).state
    for after in MEMBERSHIP_RETRIES[:-1]:
        case = asked(happen, case, nobody, after.total_seconds()).state
        assert case.state is CaseState.SUBMITTED
    refused = asked(happen, case, nobody, 60).events[0]
    assert (refused.state, refused.answer.code) == (CaseState.REFUSED, "not-a-member")
    assert refused.answer.event_id == happenings["submitted"].id


def test_A2_F7_nobody_is_refused_while_accounts_cannot_be_read(happen, happenings, nobody, invited):
    unread = replace(nobody, heard=NOW + timedelta(seconds=29))
    case = happen(happenings["submitted"], known=unread).state
    again = asked(happen, case, unread, 60)
    assert (again.state, again.events, wakes(again)) == (case, (), [timedelta(minutes=2)])
    hours = asked(happen, case, unread, 7200)
    assert (hours.state, wakes(hours)) == (case, [timedelta(hours=2, minutes=1)])
    read = timedelta(hours=2)
    assert asked(happen, case, replace(nobody, heard=NOW + read), 7200).state.state is CaseState.REFUSED
    assert asked(happen, case, replace(invited, heard=NOW + read), 7200).state.state is CaseState.ACCEPTED


async def test_F7_a_turn_knows_up_to_when_the_followed_topics_were_read():
    async with open_service(Settings(), None) as service:
        snapshot = SnapshotFollower(service.snapshot, Broker(Cluster("nowhere:1"), "intake"), Verifier({}))
        assert snapshot.known() == snapshot.value == NOTHING_KNOWN
        snapshot._reported = snapshot.value, inf
        await snapshot._at_end(NOW)
    assert snapshot.known() == replace(NOTHING_KNOWN, heard=NOW)
    assert SnapshotFollower(None, Broker(Cluster("nowhere:1"), "intake"), Verifier({})).known() is None


def test_A2_nobody_applies_from_an_account_of_which_it_is_not_known_whose_it_is(happen, happenings, registers):
    """The event that opens an account may be invalid and skipped: nobody is its member then."""
    unbound = Knowledge(registers, apply(NO_ACCOUNTS, [added("user-1")]))
    held = happen(happenings["submitted"], known=unbound)
    assert held.events[0].state is CaseState.SUBMITTED
    refused = asked(happen, held.state, unbound, 60).events[0]
    assert (refused.state, refused.answer.code) == (CaseState.REFUSED, "not-a-member")


def test_A3_a_contact_of_another_case_is_refused_after_a_minute_and_the_case_stays_as_it_was(
    after, happen, happenings, invited
):
    case = after("submitted without request")
    stranger = happenings["request attached by contact"]
    actor = stranger.data.actor.model_copy(update={"user_id": "contact-of-another-case"})
    sent = replace(stranger, data=stranger.data.model_copy(update={"actor": actor}))
    held = happen(sent, case, known=invited)
    assert held.events == ()
    last = asked(happen, held.state, invited, 60)
    assert last.state == case
    assert [(type(each), each.code) for each in last.events] == [(EventRefused, "no-such-case")]


def test_I5_what_comes_behind_an_event_that_waits_is_decided_after_it(happen, happenings, nobody, invited):
    case = None
    for name in ("submitted without request", "request attached", "withdrawn"):
        case = happen(happenings[name], case, known=nobody).state
    assert case.version == 1
    decided = asked(happen, case, invited, 1)
    views = [event for event in decided.events if hasattr(event, "version")]
    assert [(each.state, each.version) for each in views] == [
        (CaseState.WAITING_FOR_CSR, 2),
        (CaseState.ACCEPTED, 3),
        (CaseState.ACCEPTED, 4),
    ]
    assert views[-1].answer.code == "withdrawal-under-way"


def test_I10_the_text_of_a_request_is_not_kept_while_it_waits(happen, happenings, nobody):
    for name in ("submitted", "request attached"):
        sent = happenings[name].data.model_copy(update={"csr": "-----BEGIN PRIVATE KEY-----"})
        case = happen(happenings["submitted"], known=nobody).state
        held = happen(replace(happenings[name], data=sent), None if name == "submitted" else case, known=nobody)
        assert "PRIVATE KEY" not in str(held.state)


@pytest.fixture
def full(happen, happenings, nobody):
    """A case with the most waiting events."""
    case = happen(happenings["submitted"], known=nobody).state
    for _ in range(MOST_WAITING - 1):
        case = happen(happenings["withdrawn"], case, known=nobody).state
    return case


def test_no_more_than_some_events_wait_and_the_next_is_answered(happen, happenings, invited, full):
    decision = happen(happenings["withdrawn"], full, known=invited)
    assert decision.state is full
    assert [each.code for each in decision.events] == ["too-many-at-once"]


def test_A2_who_was_not_invited_does_not_learn_that_others_wait_in_a_case(happen, happenings, nobody, full):
    decision = happen(happenings["withdrawn"], full, known=nobody)
    assert decision.state is full
    assert decision.events == happen(happenings["withdrawn"], known=nobody).events


def test_A2_everybody_applies_for_the_own_organisation(submit, happen, happenings, registers):
    others = Knowledge(registers, apply(NO_ACCOUNTS, [opened("9900001-8")]))
    returned = happen(happenings["submitted"], known=others).events[0]
    assert [each.code for each in returned.deficiencies] == ["applicant-of-another-account"]
    mistyped = happenings["submitted"].data.form.model_copy(
        update={
            "applicant": happenings["submitted"].data.form.applicant.model_copy(update={"business_id": "9900001-9"})
        }
    )
    sent = with_form(happenings["submitted"], mistyped)
    codes = {each.code for each in happen(sent, known=others).events[0].deficiencies}
    assert "business-id-check-digit" in codes
    assert "applicant-of-another-account" not in codes
