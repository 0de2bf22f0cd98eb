"""What mail servers do, and the state that a mail's row reaches (C3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.ledger import RETRY
from servicecert_notifier.domain.reminders import Prepared
from servicecert_notifier.domain.task import NO_ANSWER, MailState
from servicecert_worker.core.decider import Due, Result, Task
from services.notifier.smtp_script import DIES, STALLS, Script

QUICK = {"smtp_timeout_seconds": 1.0, "smtp_end_timeout_seconds": 1.0}


class Delivery:
    """One mail with the decider, its ledger and the mail servers: retried at its deadlines, with a clock of its own."""

    def __init__(self, decision, make_mailer, now, address=None, patience=timedelta(seconds=20)):
        until = now + patience
        row = replace(decision.state.rows[0], give_up_at=until)
        self.ledger = replace(decision.state, rows=(row,))
        self.task = decision.intents[0].data.model_copy(update={"give_up_at": until})
        if address is not None:
            recipient = self.task.recipient.model_copy(update={"email": address})
            self.task = self.task.model_copy(update={"recipient": recipient})
        self.now = now
        self._mailer = make_mailer

    @property
    def row(self):
        return self.ledger.row(self.task.mail_id)

    async def attempt(self):
        """Try it once, and return the delay of the retry, None if it is settled."""
        mail = self._next()
        self._mailer._clock = lambda: self.now
        task = Task(uuid4(), str(mail.case_id), "mail", mail, since=self.now)
        (done,) = await self._mailer.deliver([task])
        decision = decide(self.ledger, Result(task.id, task.key, "mail", done.data), None, self.now)
        self.ledger = decision.state
        if not decision.deadlines:
            return None
        (deadline,) = decision.deadlines
        again = decide(
            self.ledger,
            Due(uuid4(), task.key, f"{RETRY}{mail.mail_id}", deadline.at),
            Prepared(orders={mail.mail_id: self.task}),
            deadline.at,
        )
        assert [intent.data for intent in again.intents] == [self._next()]
        pause, self.now = deadline.at - self.now, deadline.at
        return pause

    def _next(self):
        return self.task.model_copy(update={"attempts": self.row.attempts, "give_up_at": self.row.give_up_at})

    async def played(self, most=150):
        """Try until it is settled."""
        for _ in range(most):
            if await self.attempt() is None:
                return self.row
        raise AssertionError("it is never settled")


@pytest.fixture
def delivery(make_mailer, issued, as_event, now):
    def make(*ports, address=None, patience=timedelta(seconds=20), **settings):
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        decision = decide(
            None, as_event(issued.model_copy(update={"recipients": issued.recipients[:1], "due": now})), None, now
        )
        return Delivery(decision, make_mailer(ports[0], smtp_host=hosts, **QUICK | settings), now, address, patience)

    return make


def counted(first, then="250 2.0.0 Ok"):
    """Return the answers `first` in turn, then `then` for ever."""
    answers = list(first)
    return lambda _line: answers.pop(0) if answers else then


@pytest.mark.parametrize(
    ("answers", "state", "answer"),
    [
        ({}, MailState.HANDED_OVER, "250 2.0.0"),
        ({"RCPT": "550 5.1.1 <x@y> unknown"}, MailState.REFUSED, "550 5.1.1"),
        ({"RCPT": "553 5.1.3 Bad"}, MailState.REFUSED, "553 5.1.3"),
        ({"RCPT": "552 5.2.2 Full"}, MailState.REFUSED, "552 5.2.2"),
        ({"END": "552 5.3.4 Too large"}, MailState.REFUSED, "552 5.3.4"),
        ({"MAIL": "552 5.3.4 Too large"}, MailState.REFUSED, "552 5.3.4"),
        ({"RCPT": "450 4.2.1 Busy"}, MailState.GIVEN_UP, "450 4.2.1"),
        ({"END": "452 4.3.1 No room"}, MailState.GIVEN_UP, "452 4.3.1"),
        ({"MAIL": "421 4.3.2 Going"}, MailState.GIVEN_UP, NO_ANSWER),
        ({"RCPT": DIES}, MailState.GIVEN_UP, NO_ANSWER),
        ({"END": DIES}, MailState.GIVEN_UP, NO_ANSWER),
        ({"EHLO": "502 No"}, MailState.GIVEN_UP, NO_ANSWER),
        ({"MAIL": "what?"}, MailState.GIVEN_UP, NO_ANSWER),
        ({"DATA": "250 What"}, MailState.GIVEN_UP, NO_ANSWER),
    ],
)
@pytest.mark.parametrize("offers", [("PIPELINING", "SIZE 10000000", "DSN", "ENHANCEDSTATUSCODES"), ()])
async def test_C3_whatever_a_server_answers_a_row_comes_to_its_state(delivery, answers, state, answer, offers):
    async with Script(answers, offers).serving() as server:
        tried = delivery(server.port)
        row = await tried.played()
    assert (row.state, row.answer) == (state, answer)
    assert (row.attempts == 6) is (state is MailState.GIVEN_UP)
    assert len(set(server.contents)) <= 1, "a repeat has the same bytes"


async def test_C3_pauses_grow_and_the_tries_end_when_delivery_is_due(delivery):
    async with Script({"RCPT": "451 4.7.1 Later"}).serving() as server:
        tried = delivery(server.port, patience=timedelta(days=1))
        pauses = []
        while (pause := await tried.attempt()) is not None:
            assert tried.row.state is MailState.DEFERRED
            pauses.append(pause.total_seconds())
    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == 900
    assert tried.row.state is MailState.GIVEN_UP
    assert tried.row.settled_at == tried.row.give_up_at


async def test_C3_a_mail_that_waited_for_us_beyond_its_time_is_not_lost_to_a_small_fault(delivery):
    async with Script({"MAIL": "530 5.7.0 Log in"}).serving() as server:
        tried = delivery(server.port)
        for _ in range(9):
            assert await tried.attempt() is not None
        server.answers["MAIL"] = counted(["451 4.3.2 Starting"] * 3, then="250 Ok")
        assert (await tried.played()).state is MailState.HANDED_OVER
        assert len(server.accepted) == 1


async def test_C3_a_mail_that_waited_for_us_is_given_up_a_day_after_the_last_refusal_of_us(delivery, now):
    async with Script({"MAIL": "530 5.7.0 Log in"}).serving() as server:
        tried = delivery(server.port)
        await tried.attempt()
        refused = now
        server.answers["MAIL"] = "451 4.3.2 Starting"
        row = await tried.played()
    assert (row.state, row.settled_at) == (MailState.GIVEN_UP, refused + timedelta(days=1))


async def test_C3_a_greylisting_server_takes_the_mail_in_the_end(delivery, now):
    tried: Delivery

    def grey(_line):
        return "250 Ok" if tried.now >= now + timedelta(minutes=5) else "451 4.7.1 Greylisted, come back"

    async with Script({"RCPT": grey}).serving() as server:
        tried = delivery(server.port, patience=timedelta(days=1))
        row = await tried.played()
        assert len(server.accepted) == 1
    assert (row.state, row.attempts) == (MailState.HANDED_OVER, 10)


async def test_I9_a_server_that_accepts_and_dies_gets_the_same_bytes_again(delivery):
    async with Script({"END": counted([DIES, DIES])}).serving() as server:
        row = await delivery(server.port).played()
    assert (row.state, row.attempts) == (MailState.HANDED_OVER, 3)
    assert len(server.accepted) == 3
    assert len(set(server.accepted)) == 1


@pytest.mark.parametrize("where", ["EHLO", "MAIL", "RCPT", "DATA", "END"])
async def test_C3_a_server_that_stalls_once_costs_one_time_out(delivery, where):
    first_then = {where: counted([STALLS], {"EHLO": "250 script", "DATA": "354 Go"}.get(where, "250 Ok"))}
    async with Script(first_then, ()).serving() as server:
        tried = delivery(server.port)
        assert await tried.attempt() is not None
        assert tried.row.state == "deferred"
        await tried.attempt()
    assert tried.row.state == "handed-over"


@pytest.mark.parametrize("then", [STALLS, DIES, "421 4.7.0 Too many errors"])
async def test_C3_a_refusal_counts_whatever_becomes_of_the_conversation(delivery, then):
    async with Script({"RCPT": counted(["550 5.1.1 No"]), "RSET": counted([then])}, ()).serving() as server:
        tried = delivery(server.port)
        await tried.attempt()
        assert (tried.row.state, tried.row.answer) == ("refused", "550 5.1.1")
        again = delivery(server.port)
        again._mailer = tried._mailer
        await again.attempt()
    assert again.row.state == "handed-over"


async def test_C3_a_slow_server_is_waited_for_at_the_end_of_a_mail(delivery):
    async def late():
        async with Script({"END": STALLS}).serving() as server:
            tried = delivery(server.port, smtp_timeout_seconds=1.0, smtp_end_timeout_seconds=1.6)
            started = asyncio.get_running_loop().time()
            await tried.attempt()
            return asyncio.get_running_loop().time() - started

    assert await late() > 1.5


async def test_C3_the_next_server_takes_over_and_the_first_is_asked_again_when_it_has_rested(
    delivery, make_mailer, monkeypatch
):
    from servicecert_notifier.domain import relays

    async with Script(greeting="554 Away").serving() as first, Script().serving() as second:
        tried = delivery(first.port, second.port)
        assert await tried.attempt() is None
        assert (len(first.accepted), len(second.accepted)) == (0, 1)
        answers = tried._mailer.answers
        assert answers == {f"127.0.0.1:{first.port}": 0, f"127.0.0.1:{second.port}": 2}
        monkeypatch.setattr(relays, "BACKOFF_SECONDS", 0.0)
        first.greeting = "220 back"
        again = delivery(first.port, second.port)
        again._mailer = tried._mailer
        for conversation in again._mailer._idle:
            conversation.abort()
        again._mailer._relays.failed(again._mailer._relays.all[0], 0.0)
        await again.attempt()
        assert len(first.accepted) == 1


@pytest.mark.parametrize("trouble", [{"MAIL": STALLS}, {"END": DIES}, {"MAIL": "421 Bye"}])
async def test_C3_a_server_that_fails_in_the_middle_hands_the_rest_to_the_next(make_mailer, mails, trouble):
    async with Script(trouble).serving() as first, Script().serving() as second:
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        outcomes = await make_mailer(first.port, smtp_host=hosts, **QUICK).deliver(mails(3))
    assert [outcome.data.state for outcome in outcomes] == [
        MailState.DEFERRED,
        MailState.HANDED_OVER,
        MailState.HANDED_OVER,
    ]
    assert len(second.accepted) == 2


@pytest.mark.parametrize(
    "answers",
    [
        {"MAIL": "452 4.3.1 No room"},
        {"MAIL": "550 5.7.1 Sender"},
        {"RCPT": "451 4.3.0 Lookup"},
        {"END": "452 4.3.1 No room"},
    ],
)
async def test_C3_a_server_that_takes_no_mails_hands_them_to_the_next(make_mailer, mails, answers):
    async with Script(answers).serving() as first, Script().serving() as second:
        mailer = make_mailer(first.port, smtp_host=f"127.0.0.1:{first.port},127.0.0.1:{second.port}", **QUICK)
        outcomes = await mailer.deliver(mails(3))
        again = await mailer.deliver(mails(1))
    assert [outcome.data.state for outcome in (*outcomes, *again)] == [MailState.DEFERRED] + 3 * [MailState.HANDED_OVER]
    assert len(second.accepted) == 3


async def test_C3_a_server_that_refuses_one_address_stays_the_first(make_mailer, mails):
    script = Script({"RCPT": counted(["550 5.1.1 No", "450 4.2.1 Busy"])})
    async with script.serving() as first, Script().serving() as second:
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        await make_mailer(first.port, smtp_host=hosts, **QUICK).deliver(mails(3))
    assert (len(first.accepted), second.connections, first.connections) == (1, 0, 1)


async def test_C3_servers_that_all_take_no_mails_are_not_connected_to_for_each(make_mailer, mails):
    busy = {"MAIL": "452 4.3.1 No room"}
    async with Script(busy).serving() as first, Script(busy).serving() as second:
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        outcomes = await make_mailer(first.port, smtp_host=hosts, **QUICK).deliver(mails(9))
    assert {outcome.data.answer for outcome in outcomes} == {"452 4.3.1"}
    assert (first.connections, second.connections) == (1, 1)


async def test_tls_from_the_first_byte(delivery, server_key):
    async with Script().serving(server_key.context) as server:
        row = await delivery(server.port, smtp_tls="implicit", smtp_ca_file=server_key.pem).played()
        assert row.state is MailState.HANDED_OVER
        untrusted = delivery(server.port, smtp_tls="implicit")
        await untrusted.attempt()
        assert untrusted.row.state is MailState.DEFERRED
    assert len(server.accepted) == 1


async def test_what_a_server_offers_is_used_and_nothing_else(delivery):
    offers = ("PIPELINING", "SIZE 10000000", "DSN", "SMTPUTF8")
    async with Script(offers=offers).serving() as able, Script(offers=()).serving() as plain:
        tried = delivery(able.port)
        await tried.played()
        await delivery(plain.port).played()
    mail, rcpt = (next(line for line in able.lines if line.startswith(verb)) for verb in ("MAIL", "RCPT"))
    # SIZE counts the content as it is, without the dots that DATA doubles and the one that ends it.
    size = len(able.contents[0].replace(b"\r\n..", b"\r\n.")) - len(b".\r\n")
    assert mail == f"MAIL FROM:<ca@example.fi> SIZE={size} RET=HDRS ENVID={tried.task.mail_id}"
    assert rcpt == f"RCPT TO:<{tried.task.recipient.email}> NOTIFY=FAILURE"
    assert "MAIL FROM:<ca@example.fi>" in plain.lines


async def test_C3_an_address_beyond_ascii_goes_to_a_server_that_takes_it_and_is_refused_by_others(delivery):
    address = "väinö@hyvinvointialue.fi"
    async with Script(offers=("SMTPUTF8",)).serving() as able, Script(offers=()).serving() as plain:
        accepted = await delivery(able.port, address=address).played()
        refused = await delivery(plain.port, address=address).played()
    assert (accepted.state, refused.state, refused.answer) == (MailState.HANDED_OVER, MailState.REFUSED, NO_ANSWER)
    assert any(line.startswith("MAIL") and "SMTPUTF8" in line for line in able.lines)
    assert f"RCPT TO:<{address}>" in able.lines
    assert f" <{address}>\r\n".encode() in able.contents[0]
    assert plain.accepted == []


async def test_bounces_go_to_the_envelope_s_sender(delivery):
    async with Script().serving() as server:
        await delivery(server.port, servicecert_mail_bounces_to="bounces@example.fi").played()
    assert "MAIL FROM:<bounces@example.fi>" in server.lines
    assert b"From: " in server.contents[0]
    assert b"bounces@" not in server.contents[0]


async def test_mails_are_counted_by_kind_and_outcome(delivery):
    async with Script({"RCPT": counted(["450 No", "550 5.1.1 No"])}).serving() as server:
        tried = delivery(server.port)
        await tried.played()
        assert tried._mailer.outcomes == {
            ("certificate-issued", "deferred"): 1,
            ("certificate-issued", "refused"): 1,
        }
        assert tried._mailer.answers == {f"127.0.0.1:{server.port}": 5}
