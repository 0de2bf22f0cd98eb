"""What became of mails before, by what the notifier published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicecert_notifier.domain.ledger import INTENT, answer_class
from servicecert_notifier.domain.recall import RECALL
from servicecert_notifier.domain.task import MailOutcome, MailState
from servicecert_notifier.operator.samples import NOW
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import AnswerClass, MailBounced, MailEvent, MailGivenUp, MailHandedOver, MailRefused
from servicecert_worker.core.decider import Task
from servicecert_worker.core.published import PublishedEvent, PublishedEvents
from services.handler import example

MAIL = UUID(int=3)


class _Mail:
    mail_id = MAIL


TASK = Task(uuid4(), "", INTENT, _Mail(), NOW)


def mail(kind: type[MailEvent], answer: str = AnswerClass.ACCEPTED, **changes: Any) -> MailEvent:
    return example(kind, mail_id=MAIL, answer=answer, **changes)


def outcome(*events: EventData, task: Task = TASK) -> MailOutcome | None:
    published = PublishedEvents(PublishedEvent(uuid4(), data, NOW) for data in events)
    result = RECALL.result(replace(task, key=events[0].key()), published)
    assert result is None or isinstance(result, MailOutcome)
    return result


@pytest.mark.parametrize(
    ("kind", "answer", "state"),
    [
        (MailHandedOver, AnswerClass.ACCEPTED, MailState.HANDED_OVER),
        (MailRefused, AnswerClass.PERMANENT, MailState.REFUSED),
        (MailGivenUp, AnswerClass.TEMPORARY, MailState.GIVEN_UP),
        (MailGivenUp, AnswerClass.NO_ANSWER, MailState.GIVEN_UP),
    ],
)
def test_C3_a_mail_that_has_an_outcome_is_not_sent_again(kind: type[MailEvent], answer: str, state: MailState) -> None:
    event = mail(kind, answer, attempts=3)
    recalled = outcome(event)
    assert recalled is not None
    assert (recalled.mail_id, recalled.state, recalled.attempts, recalled.at) == (MAIL, state, 3, event.at)
    assert answer_class(recalled.answer) == answer


def test_a_mail_given_up_before_it_was_tried_counts_as_tried_once() -> None:
    recalled = outcome(mail(MailGivenUp, AnswerClass.NO_ANSWER, attempts=0))
    assert recalled is not None
    assert recalled.attempts == 1


def test_a_mail_without_a_final_outcome_is_left_open() -> None:
    another = example(MailHandedOver, mail_id=UUID(int=4))
    assert outcome(mail(MailBounced, AnswerClass.PERMANENT)) is None
    assert outcome(another) is None
    handed_over = outcome(another, mail(MailBounced, AnswerClass.PERMANENT), mail(MailHandedOver))
    assert handed_over is not None
    assert handed_over.state == MailState.HANDED_OVER


def test_other_acts_and_other_events_are_not_recalled() -> None:
    assert outcome(mail(MailHandedOver), task=replace(TASK, kind="other")) is None
