"""What the notifier decides (C1, C3, C4, D5)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from servicecert_notifier.domain.contents import MIN_RETRY_PERIOD
from servicecert_notifier.domain.decide import HANDLERS, concerns, decide
from servicecert_notifier.domain.ledger import RETRY_PERIOD, Ledger
from servicecert_notifier.domain.reminders import Prepared
from servicecert_notifier.domain.task import NO_ANSWER, MailOutcome, MailState
from servicecert_notifier.operator.samples import example
from servicecert_schemas.case import CaseState, HistoryEntry
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark
from servicecert_schemas.mail import AnswerClass, MailGivenUp, MailHandedOver, MailKind, MailRefused
from servicecert_schemas.revocation import CrlPublished
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Due, Result

ORDERER = Recipient(role=RecipientRole.ORDERER, email="orderer@example.fi", name="Maija Mallikas")
CONTACT = Recipient(role=RecipientRole.TECHNICAL_CONTACT, email="contact@example.fi")
SHARED = Recipient(role=RecipientRole.SHARED_MAILBOX, email="shared@example.fi")


def to(event, *recipients):
    return event.model_copy(update={"recipients": recipients})


def roles(decision):
    return [intent.data.recipient.role for intent in decision.intents]


def test_C1_a_certificate_goes_to_every_recipient(issued, as_event, now):
    decision = decide(None, as_event(to(issued, ORDERER, CONTACT, SHARED)), None, now)
    assert roles(decision) == [ORDERER.role, CONTACT.role, SHARED.role]
    assert [row.recipient for row in decision.state.rows] == roles(decision)
    assert {row.kind for row in decision.state.rows} == {MailKind.CERTIFICATE_ISSUED}
    assert len({intent.data.mail_id for intent in decision.intents}) == 3
    assert decision.events == ()


def test_C1_equal_addresses_get_one_mail(issued, as_event, now):
    same = CONTACT.model_copy(update={"email": "orderer@Example.FI"})
    other = SHARED.model_copy(update={"email": "Orderer@example.fi"})
    assert roles(decide(None, as_event(to(issued, ORDERER, same, other)), None, now)) == [ORDERER.role, SHARED.role]


def test_C1_two_people_in_one_role_get_one_mail_each(issued, as_event, now):
    other = CONTACT.model_copy(update={"email": "other@example.fi"})
    decision = decide(None, as_event(to(issued, CONTACT, other)), None, now)
    assert [(row.recipient, row.place) for row in decision.state.rows] == [(CONTACT.role, 1), (CONTACT.role, 2)]


def test_D5_a_revocation_on_a_published_list_is_told(revoked, as_event, now):
    decision = decide(None, as_event(to(revoked, ORDERER)), None, now)
    assert decision.intents[0].data.content.crl_number == revoked.crl_number
    assert decision.intents[0].data.give_up_at == now + RETRY_PERIOD


REQUESTER = Recipient(role=RecipientRole.REQUESTER, email="colleague@example.fi", language=Language.FINNISH)


def test_D5_who_asked_gets_the_mail_beside_the_recipients_in_the_own_language(revoked, as_event, now):
    decision = decide(None, as_event(to(revoked, ORDERER, REQUESTER)), None, now)
    mails = [(intent.data.recipient.role, intent.data.language) for intent in decision.intents]
    assert mails == [(ORDERER.role, revoked.language), (RecipientRole.REQUESTER, Language.FINNISH)]
    assert revoked.language is not Language.FINNISH


def test_D5_an_address_gets_one_mail_about_a_revocation_whatever_the_case_of_its_domain(revoked, as_event, now):
    local, _, domain = ORDERER.email.partition("@")
    same = REQUESTER.model_copy(update={"email": f"{local}@{domain.upper()}"})
    assert len(decide(None, as_event(to(revoked, ORDERER, same)), None, now).intents) == 1


def test_D3_D5_who_asks_again_gets_the_mail_and_nobody_else(revoked, as_event, now):
    first = decide(None, as_event(to(revoked, ORDERER, REQUESTER)), None, now)
    again = to(revoked, REQUESTER.model_copy(update={"email": "other@example.fi"}))
    later = decide(first.state, as_event(again.model_copy(update={"request_id": uuid4()})), None, now)
    assert [intent.data.recipient.email for intent in later.intents] == ["other@example.fi"]


def test_D5_E3_who_asked_gets_no_other_mail_of_the_case(revoked, issued, as_event, now):
    first = decide(None, as_event(to(revoked, ORDERER, REQUESTER)), None, now)
    assert "colleague@example.fi" not in repr(first.state)
    mails = decide(first.state, as_event(to(issued, ORDERER)), None, now).intents
    assert [intent.data.recipient.role for intent in mails] == [ORDERER.role]


def test_C4_a_returned_case_is_told_with_all_deficiencies_in_its_language(returned, as_event, now):
    decision = decide(None, as_event(to(returned, ORDERER)), None, now)
    content = decision.intents[0].data.content
    assert content.deficiencies == tuple(item.texts.in_language(returned.language) for item in returned.deficiencies)


@pytest.mark.parametrize("kind", ["issued", "returned", "revoked"])
def test_I2_the_same_event_plans_nothing_twice(kind, request, as_event, now):
    event = as_event(to(request.getfixturevalue(kind), ORDERER, CONTACT))
    first = decide(None, event, None, now)
    again = decide(first.state, replace(event, id=uuid4(), time=now + timedelta(days=1)), None, now + timedelta(days=1))
    assert again.state is first.state
    assert again.intents == ()


def test_C4_a_newer_version_of_the_same_returning_plans_nothing(returned, as_event, now):
    """The view also changes when a mail was handed over: no mail may cause the next."""
    first = decide(None, as_event(to(returned, ORDERER)), None, now)
    newer = to(returned.model_copy(update={"version": returned.version + 1}), ORDERER)
    assert decide(first.state, as_event(newer), None, now).intents == ()


def test_C4_a_case_returned_again_is_told_again(returned, as_event, now):
    first = decide(None, as_event(to(returned, ORDERER)), None, now)
    later = HistoryEntry(state=CaseState.RETURNED, at=now + timedelta(days=30))
    again = to(returned.model_copy(update={"version": 9, "history": (*returned.history, later)}), ORDERER)
    second = decide(first.state, as_event(again), None, now)
    assert len(second.intents) == 1
    assert len(second.state.rows) == 2


def test_C4_other_deficiencies_are_told_also_without_a_new_entry_in_the_history(returned, as_event, now):
    first = decide(None, as_event(to(returned, ORDERER)), None, now)
    other = returned.deficiencies[0].model_copy(update={"code": "another"})
    changed = to(returned.model_copy(update={"version": 9, "deficiencies": (other,)}), ORDERER)
    assert len(decide(first.state, as_event(changed), None, now).intents) == 1


@pytest.mark.parametrize("change", [{"state": CaseState.ACCEPTED}, {"deficiencies": ()}, {"recipients": ()}])
def test_other_views_of_a_case_plan_nothing(returned, as_event, now, change):
    decision = decide(None, as_event(returned.model_copy(update=change)), None, now)
    assert decision.state is None or decision.state.rows == ()
    assert decision.intents == ()


def test_a_deadline_of_another_kind_or_of_no_case_changes_nothing(issued, now):
    ledger = Ledger(issued.case_id)
    assert decide(ledger, Due(uuid4(), "key", "kind", now), None, now).state is ledger
    assert decide(None, Due(uuid4(), "key", "notices", now), None, now).state is None


def test_C3_a_certificate_is_tried_until_its_delivery_is_due(issued, as_event, now):
    far = issued.model_copy(update={"due": now + timedelta(days=3)})
    assert decide(None, as_event(far), None, now).intents[0].data.give_up_at == far.due


def test_C3_an_overdue_certificate_is_still_tried_for_a_day(issued, as_event, now):
    late = issued.model_copy(update={"due": now - timedelta(days=3)})
    assert decide(None, as_event(late), None, now).intents[0].data.give_up_at == now + MIN_RETRY_PERIOD


@pytest.fixture
def one_mail(issued, as_event, now):
    decision = decide(None, as_event(to(issued, CONTACT)), None, now)
    return decision.state, decision.intents[0].data


def result(task, state, answer, now, attempts=1):
    outcome = MailOutcome(mail_id=task.mail_id, state=state, answer=answer, attempts=attempts, at=now)
    return Result(uuid4(), str(task.case_id), "mail", outcome)


@pytest.mark.parametrize(
    ("state", "answer", "event", "answer_class"),
    [
        (MailState.HANDED_OVER, "250 2.0.0", MailHandedOver, AnswerClass.ACCEPTED),
        (MailState.REFUSED, "550 5.1.1", MailRefused, AnswerClass.PERMANENT),
        (MailState.REFUSED, NO_ANSWER, MailRefused, AnswerClass.NO_ANSWER),
        (MailState.GIVEN_UP, "451", MailGivenUp, AnswerClass.TEMPORARY),
        (MailState.GIVEN_UP, NO_ANSWER, MailGivenUp, AnswerClass.NO_ANSWER),
    ],
)
def test_C3_what_came_of_a_mail_is_recorded_and_told(one_mail, now, state, answer, event, answer_class):
    ledger, task = one_mail
    decision = decide(ledger, result(task, state, answer, now, attempts=3), None, now)
    (row,) = decision.state.rows
    assert (row.state, row.answer, row.attempts, row.settled_at) == (state, answer, 3, now)
    (published,) = decision.events
    assert type(published) is event
    assert (published.answer, published.recipient) == (answer_class, CONTACT.role)
    assert (published.kind, published.mail_id) == (row.kind, task.mail_id)


def test_I9_the_first_outcome_counts(one_mail, now):
    ledger, task = one_mail
    first = decide(ledger, result(task, MailState.HANDED_OVER, "250", now), None, now)
    second = decide(first.state, result(task, MailState.REFUSED, "550", now), None, now)
    assert second.state is first.state
    assert second.events == ()


def test_a_result_of_one_mail_leaves_the_others(issued, as_event, now):
    planned = decide(None, as_event(to(issued, ORDERER, CONTACT)), None, now)
    done = decide(planned.state, result(planned.intents[1].data, MailState.HANDED_OVER, "250", now), None, now)
    assert [row.state for row in done.state.rows] == [MailState.PLANNED, MailState.HANDED_OVER]


def test_a_result_that_no_ledger_knows_is_a_fault(one_mail, now):
    ledger, task = one_mail
    with pytest.raises(LookupError, match="no mail of this case"):
        decide(None, result(task, MailState.HANDED_OVER, "250", now), None, now)
    stranger = task.model_copy(update={"mail_id": uuid4()})
    with pytest.raises(LookupError, match="has no mail"):
        decide(ledger, result(stranger, MailState.HANDED_OVER, "250", now), None, now)


def test_E3_no_address_is_in_the_ledger_or_in_what_is_told(one_mail, now):
    ledger, task = one_mail
    decision = decide(ledger, result(task, MailState.REFUSED, "550", now), None, now)
    assert "@" not in repr(decision.state.rows) + repr(decision.events)


def test_a_mail_carries_the_time_of_its_event(issued, as_event):
    time = datetime(2026, 11, 24, 8, 15, 2, tzinfo=UTC)
    assert decide(None, as_event(issued, time), None, time + timedelta(hours=9)).intents[0].data.date == time


def test_only_what_a_mail_can_follow_from_is_heeded(issued, revoked, returned, warned):
    assert concerns(issued)
    assert concerns(revoked)
    assert concerns(returned)
    assert concerns(returned.model_copy(update={"state": CaseState.ACCEPTED}))
    assert not concerns(returned.model_copy(update={"state": CaseState.SUBMITTED}))
    never_returned = (HistoryEntry(state=CaseState.SUBMITTED, at=returned.history[0].at),)
    assert not concerns(returned.model_copy(update={"state": CaseState.ACCEPTED, "history": never_returned}))
    assert concerns(warned)
    assert not concerns(warned.model_copy(update={"mark": DeadlineMark.PASSED}))
    assert not concerns(warned.model_copy(update={"kind": DeadlineKind.DELIVERY}))
    assert CrlPublished not in HANDLERS


def test_an_event_that_no_mail_follows_from_changes_nothing(as_event, now):
    """It is not relevant, but a released parked record gets here all the same."""
    decision = decide(None, as_event(example(CrlPublished)), None, now)
    assert (decision.state, decision.intents, decision.deadlines) == (None, (), ())


@pytest.mark.parametrize("name", ["issued", "revoked", "returned", "warned"])
def test_I9_an_event_that_comes_again_under_another_id_mails_nothing(request, as_event, now, returned, name):
    data = request.getfixturevalue(name)
    before = decide(None, as_event(returned), Prepared(), now).state if name == "warned" else None
    first = decide(before, as_event(data), Prepared(), now)
    assert first.intents or name == "warned"
    if name == "warned":
        first = decide(first.state, Due(uuid4(), data.key(), "remind", now), Prepared(), now)
        assert first.intents, "the reminder"
    later = decide(first.state, replace(as_event(data), id=uuid4()), Prepared(), now)
    assert later.intents == ()
    if name == "warned":
        reminded = decide(later.state, Due(uuid4(), data.key(), "remind", now), Prepared(), now)
        assert reminded.intents == ()
