"""Who signs a mail is decided with it: what the authority's file says later changes no mail (C3, I9)."""

from dataclasses import replace
from uuid import uuid4

import pytest
from servicecert_notifier.domain.decide import Decide, decide
from servicecert_notifier.domain.ledger import RETRY
from servicecert_notifier.domain.reminders import Prepared
from servicecert_notifier.domain.settling import NOTICE
from servicecert_notifier.domain.task import MailOutcome, MailState, Notice, NoticeKind
from servicecert_notifier.settings import Settings
from servicecert_notifier.storage.store import LedgerStore
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Due, Intent, Result, Stored, Task

from .sample_mails import AUTHORITY, HEAD

OTHER = HEAD.model_copy(update={"sender": "other@example.fi", "contact": "+358 29 000 0000", "name": "Annan"})
NOW_SAYS, LATER_SAYS = (Decide(dict.fromkeys(Language, head)) for head in (HEAD, OTHER))


@pytest.fixture
def deferred(issued, as_event, now):
    """A decided mail that no server has taken, and the case after that."""
    decision = NOW_SAYS(None, as_event(issued), Prepared(), now)
    mail = decision.intents[0].data
    outcome = MailOutcome(mail_id=mail.mail_id, state=MailState.DEFERRED, answer="none", attempts=1, at=now)
    return mail, NOW_SAYS(decision.state, Result(uuid4(), str(mail.case_id), "mail", outcome), Prepared(), now).state


@pytest.mark.parametrize("kind", ["retry", "resend"])
def test_c3_a_decided_mail_keeps_its_letterhead_when_it_is_sent_again(deferred, now, kind):
    mail, ledger = deferred
    notice = Notice(uuid4(), mail.case_id, mail.mail_id, NoticeKind.RESEND, "lost", now)
    prepared = Prepared(notices={str(mail.case_id): (notice,)}, orders={mail.mail_id: mail})
    due = Due(uuid4(), str(mail.case_id), f"{RETRY}{mail.mail_id}" if kind == "retry" else NOTICE, now)
    (again,) = LATER_SAYS(ledger, due, prepared, now).intents
    assert again.data.letterhead == mail.letterhead == HEAD


def test_c3_what_is_decided_later_is_signed_as_the_file_says_then(issued, revoked, as_event, now):
    state = NOW_SAYS(None, as_event(issued), Prepared(), now).state
    of_case = revoked.model_copy(update={"case_id": issued.case_id})
    decision = LATER_SAYS(state, as_event(of_case), Prepared(), now)
    assert {each.data.letterhead.name for each in decision.intents} == {"Annan"}
    assert NOW_SAYS(state, Due(uuid4(), "key", "other", now), Prepared(), now).state is state


def test_an_effect_of_another_kind_is_decided_beside_a_mail(issued, as_event, now, monkeypatch):
    def decided(*arguments):
        decision = decide(*arguments)
        return replace(decision, intents=(Intent("note", HEAD), *decision.intents))

    monkeypatch.setattr("servicecert_notifier.domain.decide.decide", decided)
    note, mail, *_ = NOW_SAYS(None, as_event(issued), Prepared(), now).intents
    assert (note, mail.kind, mail.data.letterhead) == (Intent("note", HEAD), "mail", HEAD)


async def test_i9_a_repeat_has_the_same_bytes_whatever_the_file_says_since(
    pool, issued, as_event, now, make_mailer, mail_server, tmp_path
):
    decision = Decide(Settings(smtp_host="a", servicecert_authority_file=AUTHORITY).letterheads)(
        None, as_event(issued), Prepared(), now
    )
    async with pool.acquire() as connection:
        await LedgerStore().save(connection, [Stored(str(issued.case_id), 0, decision.state)])
        stored = await connection.fetch("select data from orders")
    tasks = [
        Task(uuid4(), "key", "mail", decision.intents[0].data.model_validate_json(row["data"]), now) for row in stored
    ]
    (changed := tmp_path / "authority.toml").write_text(AUTHORITY.read_text().replace("example.fi", "other.example.fi"))
    async with mail_server() as server:
        for file in (AUTHORITY, changed):
            await make_mailer(server.port, servicecert_authority_file=file).deliver(tasks)
    first, second = server.contents[: len(tasks)], server.contents[len(tasks) :]
    assert first == second
    assert all(b"help@example.fi" in each for each in first)
