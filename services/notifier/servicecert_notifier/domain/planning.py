"""Mails that are owed become rows of the ledger and acts on the world: one for each recipient, and each once (C3). Pure."""

from dataclasses import dataclass
from datetime import datetime

from servicecert_schemas.certificate import RecipientRole, Recipients
from servicecert_schemas.values import Language
from servicecert_worker.decider import Intent

from .audience import addressed
from .ledger import Ledger, Row, mail_id
from .overtaking import overtaken
from .task import Content, MailTask, for_role

INTENT = "mail"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Mails that are owed: what they tell, by which `about` each is sent once, to whom, dated when, and until when they are tried."""

    content: Content
    about: str
    language: Language
    recipients: Recipients
    date: datetime
    give_up_at: datetime


def planned(ledger: Ledger, occasion: Occasion) -> tuple[Ledger, tuple[Intent, ...]]:
    """The ledger with the mails that were not planned before, and the acts that send them; the same ledger where there are none.

    Deferred mails that say what holds no more are superseded.
    """
    planned_before = {row.mail_id for row in ledger.rows}
    kind = occasion.content.kind
    rows: list[Row] = []
    intents: list[Intent] = []
    contents: dict[bool, Content] = {}
    for recipient, place in addressed(occasion.recipients, kind):
        identity = mail_id(ledger.case_id, kind, occasion.about, recipient.role, place)
        if identity in planned_before:
            continue
        # Recipients who read the same share the object, so that it is written once for them.
        is_orderer = recipient.role is RecipientRole.ORDERER
        content = contents.setdefault(is_orderer, for_role(occasion.content, recipient.role))
        task = MailTask(
            mail_id=identity,
            case_id=ledger.case_id,
            language=occasion.language,
            recipient=recipient,
            date=occasion.date,
            give_up_at=occasion.give_up_at,
            content=content,
        )
        intents.append(Intent(INTENT, task))
        rows.append(
            Row(
                identity,
                kind,
                occasion.about,
                recipient.role,
                place,
                planned_at=occasion.date,
                give_up_at=occasion.give_up_at,
                order=task,
            )
        )
    return (overtaken(ledger, rows).with_planned(tuple(rows)) if rows else ledger), tuple(intents)
