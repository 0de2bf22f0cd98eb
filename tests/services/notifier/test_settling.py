"""What becomes of a mail after it is planned (C3, I9)."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.ledger import Ledger, Mailing, after_newer, planned
from servicecert_notifier.domain.reminders import Prepared
from servicecert_notifier.domain.settling import NOTICE, retry_delay
from servicecert_notifier.domain.task import NO_ANSWER, MailOutcome, MailState, Notice, NoticeKind
from servicecert_schemas.case import CaseState, HistoryEntry
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import AnswerClass, MailBounced, MailHandedOver, MailKind
from servicecert_worker.core.decider import Deadline, Due, Result


@pytest.fixture
def one(issued, as_event, now):
    """A ledger with one mail, and what is to be sent."""
    decision = decide(None, as_event(issued.model_copy(update={"recipients": issued.recipients[:1]})), None, now)
    return decision.state, decision.intents[0].data


def result(task, state, now, attempts=1, answer="451 4.7.1"):
    outcome = MailOutcome(mail_id=task.mail_id, state=state, answer=answer, attempts=attempts, at=now)
    return Result(uuid4(), str(task.case_id), "mail", outcome)


def deferred(one, now, attempts=1):
    ledger, task = one
    return decide(ledger, result(task, MailState.DEFERRED, now, attempts), None, now)


def due(task, now, kind=None):
    return Due(uuid4(), str(task.case_id), kind or f"try/{task.mail_id}", now)


def notice(task, kind, text, now):
    return Notice(uuid4(), task.case_id, task.mail_id, kind, text, now)


def prepared(task, *notices):
    return Prepared(notices={str(task.case_id): notices}, orders={task.mail_id: task})


def test_C3_a_deferred_mail_is_seen_in_the_ledger_and_tried_again(one, now):
    decision = deferred(one, now)
    (row,) = decision.state.rows
    assert (row.state, row.attempts, row.answer, row.settled_at) == (MailState.DEFERRED, 1, "451 4.7.1", None)
    assert (row.first_tried_at, row.tried_at, row.next_try_at) == (now, now, now + timedelta(seconds=1))
    assert decision.deadlines == (Deadline(f"try/{row.mail_id}", row.next_try_at),)
    assert decision.events == ()


def test_C3_a_mail_that_is_tried_again_is_the_same_and_knows_how_often_it_was_tried(one, now):
    _, task = one
    waiting = deferred(one, now, attempts=4).state
    decision = decide(waiting, due(task, now), prepared(task), now)
    assert decision.state is waiting
    assert [intent.data for intent in decision.intents] == [task.model_copy(update={"attempts": 4})]


def test_C3_the_end_of_a_deferred_mail_keeps_when_it_was_tried_first(one, now):
    _, task = one
    later = now + timedelta(minutes=3)
    decision = decide(deferred(one, now).state, result(task, MailState.HANDED_OVER, later, 2, "250"), None, later)
    (row,) = decision.state.rows
    assert (row.state, row.attempts, row.next_try_at) == (MailState.HANDED_OVER, 2, None)
    assert (row.first_tried_at, row.tried_at, row.settled_at) == (now, later, later)
    assert [type(event) for event in decision.events] == [MailHandedOver]


def test_C3_pauses_grow_to_a_quarter_of_an_hour():
    assert [retry_delay(attempts).total_seconds() for attempts in (1, 2, 3, 10, 11, 99)] == [1, 2, 4, 512, 900, 900]


def test_C3_the_last_try_is_made_when_the_time_is_over(one, now):
    ledger, task = one
    soon = task.give_up_at - timedelta(seconds=3)
    decision = decide(ledger, result(task, MailState.DEFERRED, soon, 11), None, soon)
    assert decision.state.rows[0].next_try_at == task.give_up_at


def test_C3_a_mail_that_waits_for_us_is_tried_after_its_time_too_with_pauses(one, now):
    ledger, task = one
    late = task.give_up_at + timedelta(hours=1)
    decision = decide(ledger, result(task, MailState.DEFERRED, late, 11), None, late)
    assert decision.deadlines == (Deadline(f"try/{task.mail_id}", late + timedelta(minutes=15)),)


def test_C3_the_row_knows_which_server_answered_and_since_when_the_mail_is_refused(one, now):
    ledger, task = one
    outcome = result(task, MailState.DEFERRED, now, answer="554 5.7.1")
    of = outcome.data.model_copy(update={"relay": "mail.example.fi:587", "refused_since": now})
    waiting = decide(ledger, replace(outcome, data=of), None, now).state
    assert (waiting.rows[0].relay, waiting.rows[0].refused_since) == ("mail.example.fi:587", now)
    (again,) = decide(waiting, due(task, now), prepared(task), now).intents
    assert again.data.refused_since == now


def test_a_row_of_an_older_version_without_an_end_is_tried_again_too(one, now):
    ledger, task = one
    old = ledger.with_row(replace(ledger.rows[0], give_up_at=None))
    decision = decide(old, result(task, MailState.DEFERRED, now), None, now)
    assert decision.deadlines[0].at == now + timedelta(seconds=1)


def test_a_deadline_of_a_mail_that_is_settled_changes_nothing(one, now):
    ledger, task = one
    settled = decide(ledger, result(task, MailState.REFUSED, now, answer="550"), None, now).state
    decision = decide(settled, due(task, now), prepared(task), now)
    assert (decision.state, decision.intents) == (settled, ())


@pytest.fixture
def returned_twice(returned, as_event, now):
    """A case whose first mail about its return is deferred, and the event of its second return."""
    first = decide(None, as_event(returned.model_copy(update={"recipients": returned.recipients[:1]})), None, now)
    later = HistoryEntry(state=CaseState.RETURNED, at=now + timedelta(hours=1))
    again = returned.model_copy(update={"history": (*returned.history, later), "recipients": returned.recipients[:1]})
    return deferred((first.state, first.intents[0].data), now).state, first.intents[0].data, again


def test_C3_a_deferred_mail_is_superseded_by_a_later_one_that_says_what_holds(returned_twice, as_event, now):
    ledger, task, again = returned_twice
    decision = decide(ledger, as_event(again, now + timedelta(hours=1)), None, now)
    old, new = decision.state.rows
    assert (old.state, old.superseded_by, old.settled_at, old.next_try_at) == (
        MailState.SUPERSEDED,
        new.mail_id,
        new.planned_at,
        None,
    )
    assert new.state is MailState.PLANNED
    assert decide(decision.state, due(task, now), prepared(task), now).intents == ()


def test_C3_a_certificate_supersedes_what_was_to_be_done(returned_twice, issued, as_event, now):
    ledger, task, _ = returned_twice
    decision = decide(ledger, as_event(issued.model_copy(update={"case_id": task.case_id}), now), None, now)
    assert decision.state.rows[0].state is MailState.SUPERSEDED


def test_C3_a_mail_that_tells_of_something_earlier_supersedes_nothing(returned_twice, as_event, now):
    ledger, _, again = returned_twice
    decision = decide(ledger, as_event(again, now - timedelta(hours=1)), None, now)
    assert [row.state for row in decision.state.rows] == [MailState.DEFERRED, MailState.PLANNED]


def test_C3_a_mail_that_is_on_its_way_is_not_superseded(returned, as_event, now):
    first = decide(None, as_event(returned), None, now)
    later = HistoryEntry(state=CaseState.RETURNED, at=now + timedelta(hours=1))
    again = returned.model_copy(update={"history": (*returned.history, later)})
    decision = decide(first.state, as_event(again, now + timedelta(hours=1)), None, now)
    assert {row.state for row in decision.state.rows} == {MailState.PLANNED}


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        (MailKind.EXPIRES_IN_60_DAYS, MailKind.EXPIRES_IN_30_DAYS, MailState.SUPERSEDED),
        (MailKind.EXPIRES_IN_7_DAYS, MailKind.CERTIFICATE_REVOKED, MailState.SUPERSEDED),
        (MailKind.EXPIRES_IN_30_DAYS, MailKind.EXPIRES_IN_60_DAYS, MailState.DEFERRED),
        (MailKind.CERTIFICATE_ISSUED, MailKind.CERTIFICATE_REVOKED, MailState.DEFERRED),
        (MailKind.CERTIFICATE_ISSUED, MailKind.EXPIRES_IN_7_DAYS, MailState.DEFERRED),
    ],
)
def test_C3_what_is_out_of_date_once_a_mail_is_planned(one, now, old, new, state):
    ledger, task = one
    waiting = deferred((ledger.with_row(replace(ledger.rows[0], kind=old)), task), now).state
    newer = replace(ledger.rows[0], mail_id=uuid4(), kind=new)
    assert after_newer(waiting.rows[0], [newer]).state is state


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        (("orderer", 1), ("orderer", 1), MailState.SUPERSEDED),
        (("orderer", 1), ("requester", 1), MailState.DEFERRED),
        (("orderer", 1), ("orderer", 2), MailState.DEFERRED),
        (("requester", 1), ("requester", 1), MailState.DEFERRED),
    ],
)
def test_D5_a_mail_about_a_revocation_replaces_an_earlier_one_to_the_same_recipient_only(one, now, old, new, state):
    ledger, task = one
    (role, place), (to, at) = old, new
    row = replace(ledger.rows[0], kind=MailKind.CERTIFICATE_REVOKED, recipient=RecipientRole(role), place=place)
    waiting = deferred((ledger.with_row(row), task), now).state
    newer = replace(row, mail_id=uuid4(), recipient=RecipientRole(to), place=at)
    assert after_newer(waiting.rows[0], [newer]).state is state


def test_C3_what_was_under_way_when_it_was_superseded_may_still_be_handed_over(returned_twice, as_event, now):
    ledger, task, again = returned_twice
    ledger = decide(ledger, as_event(again, now + timedelta(hours=1)), None, now).state
    late = decide(ledger, result(task, MailState.DEFERRED, now, 2), None, now)
    assert (late.state, late.deadlines) == (ledger, ())
    after = decide(ledger, result(task, MailState.HANDED_OVER, now, 2, "250"), None, now)
    assert after.state.rows[0].state is MailState.HANDED_OVER
    assert [type(event) for event in after.events] == [MailHandedOver]


@pytest.mark.parametrize("end", [MailState.HANDED_OVER, MailState.REFUSED, MailState.GIVEN_UP])
def test_C3_an_operator_has_a_mail_sent_again_under_a_row_of_its_own(one, now, end):
    ledger, task = one
    ledger = decide(ledger, result(task, end, now, answer="250"), None, now).state
    request = notice(task, NoticeKind.RESEND, "the mailbox was full", now + timedelta(days=1))
    decision = decide(ledger, due(task, now, NOTICE), prepared(task, request), now)
    old, new = decision.state.rows
    assert old.state is end
    assert (new.state, new.copy, new.resends, new.reason) == (MailState.PLANNED, 1, old.mail_id, "the mailbox was full")
    assert (new.kind, new.occasion, new.recipient, new.place) == (old.kind, old.occasion, old.recipient, old.place)
    (intent,) = decision.intents
    assert intent.data.mail_id == new.mail_id != old.mail_id
    assert (intent.data.content, intent.data.recipient, intent.data.date) == (task.content, task.recipient, request.at)
    assert intent.data.give_up_at == now + (task.give_up_at - task.date)
    assert new.order == intent.data


def test_C3_an_operator_has_a_mail_sent_to_another_address_and_later_ones_too(one, now):
    ledger, task = one
    sent = task
    for address in ("sagga@example.fi", "saga@example.fi"):
        ledger = decide(ledger, result(sent, MailState.REFUSED, now, answer="550 5.1.1"), None, now).state
        request = replace(notice(sent, NoticeKind.RESEND, "misspelt", now), address=address)
        decision = decide(ledger, due(sent, now, NOTICE), prepared(sent, request), now)
        ledger, sent = decision.state, decision.intents[0].data
        assert sent.recipient == task.recipient.model_copy(update={"email": address})
    later = Mailing(task.content, "later", task.language, (task.recipient,), now, now + timedelta(days=5))
    assert [intent.data.recipient for intent in planned(ledger, later).intents] == [sent.recipient]


def test_I2_a_wish_that_is_taken_already_sends_nothing_more(one, now):
    ledger, task = one
    ledger = decide(ledger, result(task, MailState.HANDED_OVER, now, answer="250"), None, now).state
    first, second = (notice(task, NoticeKind.RESEND, "again", now) for _ in range(2))
    ledger = decide(ledger, due(task, now, NOTICE), prepared(task, first), now).state
    both = decide(ledger, due(task, now, NOTICE), prepared(task, first, second), now)
    assert [row.copy for row in both.state.rows] == [0, 1, 2]
    assert len(both.intents) == 1


def test_C3_sending_a_deferred_mail_again_supersedes_it(one, now):
    _, task = one
    request = notice(task, NoticeKind.RESEND, "the address is mended", now)
    decision = decide(deferred(one, now).state, due(task, now, NOTICE), prepared(task, request), now)
    old, new = decision.state.rows
    assert (old.state, old.superseded_by) == (MailState.SUPERSEDED, new.mail_id)


def test_C3_a_mail_that_is_on_its_way_or_erased_is_not_sent_again(one, now):
    ledger, task = one
    request = notice(task, NoticeKind.RESEND, "quick", now)
    assert decide(ledger, due(task, now, NOTICE), prepared(task, request), now).state is ledger
    done = decide(ledger, result(task, MailState.HANDED_OVER, now, answer="250"), None, now).state
    erased = Prepared(notices={str(task.case_id): (request,)})
    assert decide(done, due(task, now, NOTICE), erased, now).state is done


def test_C3_a_bounce_is_seen_in_the_ledger_and_told(one, now):
    ledger, task = one
    ledger = decide(ledger, result(task, MailState.HANDED_OVER, now, answer="250"), None, now).state
    later = now + timedelta(minutes=5)
    report = notice(task, NoticeKind.BOUNCE, "5.1.1", later)
    decision = decide(ledger, due(task, later, NOTICE), prepared(task, report), later)
    (row,) = decision.state.rows
    assert (row.state, row.answer, row.bounce, row.bounced_at) == (MailState.BOUNCED, "250", "5.1.1", later)
    (event,) = decision.events
    assert isinstance(event, MailBounced)
    assert (event.answer, event.at, event.mail_id) == (AnswerClass.PERMANENT, later, task.mail_id)
    assert decide(decision.state, due(task, later, NOTICE), prepared(task, report), later).state is decision.state


@pytest.mark.parametrize("state", [MailState.REFUSED, MailState.GIVEN_UP])
def test_C3_a_bounce_of_what_was_never_handed_over_is_nothing(one, now, state):
    ledger, task = one
    ledger = decide(ledger, result(task, state, now, answer=NO_ANSWER), None, now).state
    report = notice(task, NoticeKind.BOUNCE, "5.1.1", now)
    assert decide(ledger, due(task, now, NOTICE), prepared(task, report), now).state is ledger
    stranger = replace(report, mail_id=uuid4())
    assert decide(ledger, due(task, now, NOTICE), prepared(task, stranger), now).state is ledger
    assert decide(Ledger(task.case_id), due(task, now, NOTICE), Prepared(), now).events == ()
