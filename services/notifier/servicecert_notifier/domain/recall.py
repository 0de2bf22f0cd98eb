"""What became of mails before, by the events that the notifier published: for a replay. Pure.

The events have only the class of the mail server's answer, so the ledger of a replay has that, and not which server
answered.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from uuid import UUID

from pydantic import BaseModel
from servicecert_schemas.mail import AnswerClass, MailBounced, MailEvent, MailGivenUp, MailHandedOver, MailRefused
from servicecert_worker.core.decider import Recall, Task
from servicecert_worker.core.published import PublishedEvents

from .ledger import INTENT, Ledger, Row, outdating
from .task import NO_ANSWER, MailOutcome, MailState

_STATE_OF: Mapping[type[MailEvent], MailState] = MappingProxyType(
    {MailHandedOver: MailState.HANDED_OVER, MailRefused: MailState.REFUSED, MailGivenUp: MailState.GIVEN_UP}
)
_ANSWER_OF: Mapping[object, str] = MappingProxyType(
    {AnswerClass.ACCEPTED: "250", AnswerClass.TEMPORARY: "450", AnswerClass.PERMANENT: "550"}
)


def _result(task: Task, published: PublishedEvents) -> BaseModel | None:
    """Return the final outcome of a mail; None if none is published: it is tried as any mail is after a crash."""
    if task.kind != INTENT:
        return None
    for each in published.of(task.key):
        data = each.data
        if isinstance(data, MailEvent) and data.mail_id == task.data.mail_id and type(data) in _STATE_OF:
            return MailOutcome.model_validate(
                {
                    "mail_id": data.mail_id,
                    "state": _STATE_OF[type(data)],
                    "answer": _ANSWER_OF.get(data.answer, NO_ANSWER),
                    "attempts": max(1, data.attempts),
                    "at": data.at,
                }
            )
    return None


RECALL = Recall(result=_result, kept=(MailBounced,))


def outdated(ledger: Ledger, untried: Collection[UUID]) -> Mapping[UUID, Row]:
    """Return those open mails that nobody tries and that one planned later makes outdated, each with that one.

    A worker supersedes deferred mails only: planned ones are on their way. A replay does not know which they were.
    """
    found = {}
    for place, row in enumerate(ledger.rows):
        if row.mail_id in untried and row.state in (MailState.PLANNED, MailState.DEFERRED):
            # Mails of one event have one date: they are sent side by side.
            later = (new for new in outdating(row, ledger.rows[place:]) if new.planned_at > row.planned_at)
            if (newer := next(later, None)) is not None:
                found[row.mail_id] = newer
    return found
