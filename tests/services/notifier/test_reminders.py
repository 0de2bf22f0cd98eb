"""Reminders of certificates and applications that end: the right one, once, however late the check (C4, E2)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_notifier.domain.case_facts import NO_FACTS
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.reminders import (
    DAYS,
    NOTHING_PREPARED,
    REMIND,
    SOON,
    Prepared,
    due_reminder,
    next_wake_at,
    wake_at,
)
from servicecert_notifier.mail.domain.filling import HELSINKI
from servicecert_notifier.operator.samples import example
from servicecert_schemas.case import CaseChanged, CaseState, HistoryEntry
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.deadline import DeadlineMark
from servicecert_schemas.mail import MailKind
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.decider import Due, Event

SIXTY, THIRTY, SEVEN = MailKind.EXPIRES_IN_60_DAYS, MailKind.EXPIRES_IN_30_DAYS, MailKind.EXPIRES_IN_7_DAYS
ISSUED = example(CertificateIssued)
END = ISSUED.not_after


def before_end(days, hours=-12):
    """So many days before the certificate's end, after nine o'clock of that day."""
    return END - timedelta(days=days, hours=hours)


class Notifier:
    """A case of the notifier, as the worker runs it: at most one deadline of a kind."""

    def __init__(self, prepared=NOTHING_PREPARED):
        self.ledger = None
        self.at = None
        self.prepared = prepared
        self.sent = []
        self.count = 0

    def receives(self, data, now):
        return self._decide(Event(uuid4(), data.key(), data, now), now)

    def checks(self, now):
        """Run the due deadline, and those that follow from it."""
        while self.at is not None and self.at <= now:
            self.count += 1
            assert self.count < 100, "its deadlines never end"
            due, self.at = self.at, None
            self._decide(Due(uuid4(), str(self.ledger.case_id), REMIND, due), now)
        return self

    def _decide(self, happened, now):
        decision = decide(self.ledger, happened, self.prepared, now)
        self.ledger = decision.state
        for deadline in decision.deadlines:
            assert deadline.kind == REMIND
            self.at = deadline.at
        self.sent += [intent.data.content.kind for intent in decision.intents if not happened_is_event(happened)]
        return self


def happened_is_event(happened):
    return isinstance(happened, Event)


@pytest.fixture
def notifier():
    one = Notifier()
    one.receives(ISSUED, ISSUED.not_before)
    return one


def once(kinds):
    """The kinds that were sent, each once."""
    return list(dict.fromkeys(kinds))


def test_C4_each_reminder_comes_on_its_day_at_nine_once_for_each_recipient(notifier):
    moments = []
    while notifier.at is not None:
        moments.append(notifier.at.astimezone(HELSINKI))
        notifier.checks(notifier.at)
    last = END.astimezone(HELSINKI).date()
    assert [(last - moment.date()).days for moment in moments] == [60, 30, 7]
    assert {moment.hour for moment in moments} == {9}
    assert notifier.sent == [kind for kind in DAYS for _ in ISSUED.recipients]


@pytest.mark.parametrize(
    ("down_from", "up_at", "comes"),
    [
        (before_end(65), before_end(44), [SIXTY]),
        (before_end(61), before_end(25), [THIRTY]),
        (before_end(70), before_end(2), [SEVEN]),
        (before_end(20), before_end(-1), []),
    ],
    ids=["one passed", "two passed: the more urgent", "all passed: the most urgent", "the end passed: too late"],
)
def test_C4_after_a_long_stop_the_most_urgent_reminder_comes_and_no_other(notifier, down_from, up_at, comes):
    notifier.checks(down_from)
    already = len(notifier.sent)
    notifier.checks(up_at)
    assert once(notifier.sent[already:]) == comes


def test_C4_what_was_passed_over_does_not_come_later_and_what_comes_after_does(notifier):
    notifier.checks(before_end(25)).checks(before_end(24)).checks(before_end(6))
    assert once(notifier.sent) == [THIRTY, SEVEN]


@given(st.lists(st.integers(min_value=0, max_value=800), max_size=12))
def test_C4_whenever_it_wakes_each_reminder_comes_at_most_once_and_never_a_less_urgent_one_after(days):
    notifier = Notifier()
    notifier.receives(ISSUED, ISSUED.not_before)
    for day in sorted(days):
        notifier.checks(ISSUED.not_before + timedelta(days=day))
    kinds = once(notifier.sent)
    assert len(notifier.sent) == len(kinds) * len(ISSUED.recipients)
    assert kinds == [kind for kind in DAYS if kind in kinds]


def test_C4_no_reminder_of_a_revoked_certificate(notifier, revoked):
    of_this = revoked.model_copy(update={"case_id": ISSUED.case_id})
    notifier.receives(of_this, before_end(65))
    assert notifier.at is None
    assert notifier.checks(before_end(5)).sent == []


def test_C4_a_certificate_that_was_got_shortly_before_is_not_reminded_of_at_once():
    short = ISSUED.model_copy(update={"not_after": ISSUED.not_before + timedelta(days=90)})
    notifier = Notifier()
    notifier.receives(short, short.not_before)
    for day in range(91):
        notifier.checks(short.not_before + timedelta(days=day))
    assert once(notifier.sent) == [THIRTY, SEVEN]


def test_C4_a_reminder_names_the_days_that_are_left(notifier):
    decision = decide(notifier.ledger, due(notifier), NOTHING_PREPARED, before_end(44))
    assert {intent.data.content.days_left for intent in decision.intents} == {44}


def due(notifier):
    return Due(uuid4(), str(notifier.ledger.case_id), REMIND, notifier.at)


def test_C4_the_limits_hold_a_reminder_back_until_their_moment(notifier):
    now = before_end(59)
    slot = now + timedelta(hours=3)
    notifier.prepared = Prepared({}, {str(ISSUED.case_id): slot})
    assert notifier.checks(now).sent == []
    assert (notifier.at, notifier.ledger.facts.slot) == (slot, slot)
    # The moment was given once: the tables are not asked again, and a restart in between changes nothing.
    notifier.prepared = NOTHING_PREPARED
    assert once(notifier.checks(slot).sent) == [SIXTY]
    assert notifier.ledger.facts.slot is None


def test_C4_what_is_revoked_while_it_is_held_back_is_not_reminded_of(notifier, revoked):
    now = before_end(59)
    notifier.prepared = Prepared({}, {str(ISSUED.case_id): now + timedelta(hours=3)})
    notifier.checks(now)
    notifier.receives(revoked.model_copy(update={"case_id": ISSUED.case_id}), now)
    assert notifier.checks(now + timedelta(hours=4)).sent == []


def test_C4_a_moment_that_is_as_good_as_now_is_now(notifier):
    now = before_end(59)
    notifier.prepared = Prepared({}, {str(ISSUED.case_id): now + SOON})
    assert once(notifier.checks(now).sent) == [SIXTY]


def other(**changes):
    """Another case of the account, with a certificate of the same name that replaces the one that ends."""
    new = {"not_before": before_end(80), "not_after": END + timedelta(days=300), "serial": "bb"}
    facts = {name: changes.pop(name) for name in ("follows", "revoked") if name in changes}
    data = ISSUED.model_copy(update={**new, **changes})
    return replace(Notifier().receives(data, data.not_before).ledger.facts, **facts)


@pytest.mark.parametrize(
    ("another", "succeeds"),
    [
        (other(), True),
        (other(follows=ISSUED.serial, subject="CN=other", not_before=before_end(300)), True),
        (other(follows="aa"), False),
        (other(not_before=before_end(100)), False),
        (other(subject="CN=other"), False),
        (other(type=CertificateType.TEST_SERVER), False),
        (other(revoked=True), False),
        (other(not_after=END), False),
        (other(follows=ISSUED.serial, not_before=END), True),
        (other(follows=ISSUED.serial, not_before=END + timedelta(seconds=1)), False),
        (NO_FACTS, False),
    ],
    ids=[
        "same name, new",
        "names it",
        "names another",
        "same name, old",
        "other name",
        "other type",
        "revoked",
        "ends first",
        "begins as it ends",
        "begins after a gap",
        "unknown",
    ],
)
def test_A14_a_successor_ends_the_reminders(notifier, another, succeeds):
    notifier.prepared = Prepared({str(ISSUED.case_id): (another,)}, {})
    assert notifier.checks(before_end(59)).sent == ([] if succeeds else [SIXTY] * len(ISSUED.recipients))
    # It is looked at again at the next reminder: a successor may be revoked.
    notifier.prepared = NOTHING_PREPARED
    assert THIRTY in notifier.checks(before_end(29)).sent


def test_C4_cases_alone_tell_a_notifier_that_lost_everything_what_to_remind_of():
    view = example(CaseChanged)
    delivered = {"state": CaseState.DELIVERED, "revocation": None, "recipients": ISSUED.recipients}
    notifier = Notifier()
    notifier.receives(view.model_copy(update=delivered), view.certificate.not_after - timedelta(days=20))
    notifier.checks(view.certificate.not_after - timedelta(days=19))
    assert once(notifier.sent) == [THIRTY]
    notifier.checks(view.certificate.not_after - timedelta(days=6))
    assert once(notifier.sent) == [THIRTY, SEVEN]


def test_E3_the_old_view_of_an_expired_certificate_brings_no_address_back(notifier):
    view = example(CaseChanged)
    view = view.model_copy(update={"state": CaseState.DELIVERED, "revocation": None, "recipients": ISSUED.recipients})
    end = view.certificate.not_after
    assert Notifier().receives(view, end).ledger.facts.recipients == ISSUED.recipients
    assert Notifier().receives(view, end + timedelta(seconds=1)).ledger is None
    notifier.ledger = erased = replace(notifier.ledger, facts=NO_FACTS)
    assert notifier.receives(view, end + timedelta(days=2_000)).ledger is erased


# Applications that lapse


@pytest.fixture
def pending(returned):
    since = returned.history[0].at
    return returned.model_copy(update={"lapses": since + timedelta(days=180)})


@pytest.fixture
def warning(pending, warned):
    def make(mark):
        return warned.model_copy(update={"mark": mark, "until": pending.lapses})

    return make


def test_E2_an_application_that_lapses_soon_is_told_with_what_it_lacks(pending, warning, now):
    notifier = Notifier().receives(pending, now)
    half = now + timedelta(days=90)
    notifier.receives(warning(DeadlineMark.HALF), half).checks(half)
    assert notifier.sent == [MailKind.APPLICATION_NEARS_LAPSE] * 2
    assert notifier.ledger.facts.warned is None
    later = now + timedelta(days=162)
    notifier.receives(warning(DeadlineMark.NINE_TENTHS), later).checks(later)
    assert notifier.sent == [MailKind.APPLICATION_NEARS_LAPSE] * 4
    notifier.receives(warning(DeadlineMark.NINE_TENTHS), later).checks(later)
    assert len(notifier.sent) == 4
    assert notifier.at is None


def test_E2_of_two_warnings_that_waited_only_the_more_urgent_is_told(pending, warning, now):
    notifier = Notifier().receives(pending, now)
    later = now + timedelta(days=165)
    notifier.receives(warning(DeadlineMark.HALF), later).checks(later)
    assert notifier.sent == []
    notifier.receives(warning(DeadlineMark.NINE_TENTHS), later).checks(later)
    assert notifier.sent == [MailKind.APPLICATION_NEARS_LAPSE] * 2


def test_E2_a_warning_that_comes_after_the_end_is_not_told(pending, warning, now):
    notifier = Notifier().receives(pending, now)
    late = pending.lapses + timedelta(days=1)
    assert notifier.receives(warning(DeadlineMark.NINE_TENTHS), late).checks(late).sent == []


@pytest.mark.parametrize("state", [CaseState.ACCEPTED, CaseState.WITHDRAWN, CaseState.LAPSED])
def test_E2_an_application_that_is_no_longer_pending_is_not_warned_of(pending, warning, now, state):
    over = pending.model_copy(update={"state": state, "version": 9, "deficiencies": ()})
    half = now + timedelta(days=90)
    first = (
        Notifier().receives(pending, now).receives(over, now).receives(warning(DeadlineMark.HALF), half).checks(half)
    )
    assert first.sent == []
    assert first.ledger.facts.warned is None
    second = (
        Notifier().receives(pending, now).receives(warning(DeadlineMark.HALF), half).receives(over, half).checks(half)
    )
    assert second.sent == []


def test_E2_a_warning_may_overtake_the_view_of_its_case(pending, warning, now):
    half = now + timedelta(days=90)
    notifier = Notifier().receives(warning(DeadlineMark.HALF), half)
    assert notifier.at is None
    notifier.receives(pending, half).checks(half)
    assert notifier.sent == [MailKind.APPLICATION_NEARS_LAPSE] * 2


def test_only_a_deadline_of_reminders_is_looked_at(notifier):
    stranger = Due(uuid4(), str(ISSUED.case_id), "another", before_end(5))
    assert decide(notifier.ledger, stranger, NOTHING_PREPARED, before_end(5)).state is notifier.ledger
    assert decide(None, due(notifier), NOTHING_PREPARED, before_end(5)).state is None


def test_nothing_is_owed_and_nobody_woken_where_nothing_is_known(notifier, now):
    unknown = replace(notifier.ledger, facts=NO_FACTS)
    assert (due_reminder(unknown, (), now), wake_at(unknown, now), next_wake_at(unknown, now)) == (None, None, None)
    waiting = replace(notifier.ledger, facts=replace(notifier.ledger.facts, certificate=None))
    assert due_reminder(waiting, (), now) is None


def test_a_reminder_knows_its_kind(pending, warning, now):
    notifier = Notifier().receives(pending, now)
    notifier.receives(warning(DeadlineMark.HALF), now)
    reminder = due_reminder(notifier.ledger, (), now)
    assert reminder.content.kind is MailKind.APPLICATION_NEARS_LAPSE


def test_C4_three_weeks_of_downtime_make_no_second_invitation(returned, now):
    case = returned.model_copy(
        update={
            "state": CaseState.WAITING_FOR_CSR,
            "deficiencies": (),
            "history": (HistoryEntry(state=CaseState.WAITING_FOR_CSR, at=now),),
        }
    )
    first = decide(None, Event(uuid4(), case.key(), case, now), NOTHING_PREPARED, now)
    later = now + timedelta(days=21)
    newer = case.model_copy(update={"version": case.version + 1})
    again = decide(first.state, Event(uuid4(), case.key(), newer, now), NOTHING_PREPARED, later)
    assert (len(first.intents), again.intents) == (1, ())


def test_moments_follow_summer_time():
    """The reminder 60 days before a certificate's end in summer comes at nine in winter time."""
    summer = ISSUED.model_copy(update={"not_after": datetime(2027, 5, 20, 20, 59, 59, tzinfo=UTC)})
    notifier = Notifier().receives(summer, ISSUED.not_before)
    assert notifier.at == datetime(2027, 3, 21, 7, tzinfo=UTC)
