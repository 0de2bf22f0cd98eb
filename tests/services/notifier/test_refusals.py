"""What a refusal says: about a recipient, or about us (C3). The servers' answers are in `refusal_answers`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from servicecert_notifier.domain.relays import Relay
from servicecert_notifier.domain.task import MailState
from servicecert_notifier.smtp.domain.answers import Answer, Meaning, Reply, Step
from servicecert_notifier.smtp.domain.refusals import HOLD, WINDOW, Refusals
from services.notifier.refusal_answers import ANSWERS
from services.notifier.smtp_script import Script

RELAY, OTHER = Relay("mail.example.fi", 587), Relay("mail2.example.fi", 587)
SECOND = timedelta(seconds=1)
VERB = {Step.SENDER: "MAIL", Step.RECIPIENT: "RCPT", Step.CONTENT: "END"}


@pytest.mark.parametrize(("server", "step", "answer", "meaning"), ANSWERS)
def test_C3_each_server_s_answer_has_its_meaning(server, step, answer, meaning):
    code, _, text = answer.partition(" ")
    assert Answer(step, Reply.read(int(code), text)).meaning is meaning, server


@pytest.mark.parametrize(("server", "step", "answer", "meaning"), ANSWERS)
async def test_C3_only_a_refusal_of_the_mail_ends_it_at_once(make_mailer, mails, server, step, answer, meaning):
    async with Script({VERB[step]: answer}, offers=()).serving() as script:
        (outcome,) = await make_mailer(script.port).deliver(mails(1))
    assert (outcome.data.state is MailState.REFUSED) is (meaning is Meaning.MAIL), server


@pytest.fixture
def seen(now):
    """Records answers as domain, meaning and seconds after now; `of` says what follows for a mail refused at now."""

    class Seen:
        refusals = Refusals()

        def answer(self, domain, meaning, seconds, relay=RELAY):
            self.refusals.answered(relay, domain, meaning, now + seconds * SECOND)

        def ends(self, at, relay=RELAY):
            return self.refusals.is_about_the_recipient(relay, now, now + at)

        def refuses_us(self, at, relay=RELAY):
            return self.refusals.refuses_us(relay, now + at)

    return Seen()


def test_C3_one_recipient_that_is_refused_while_others_are_accepted_ends_after_ten_minutes(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    seen.answer("b.fi", Meaning.TAKEN, 60)
    seen.answer("a.fi", Meaning.UNCLEAR, HOLD.total_seconds())
    assert not seen.ends(HOLD - SECOND)
    assert seen.ends(HOLD)
    assert not seen.refuses_us(HOLD)


def test_C3_a_mailbox_that_is_refused_while_its_neighbours_are_accepted_ends(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    seen.answer("a.fi", Meaning.TAKEN, 60)
    assert seen.ends(HOLD)


def test_C3_what_was_accepted_before_the_refusal_proves_nothing(seen):
    seen.answer("b.fi", Meaning.TAKEN, -1)
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    seen.answer("a.fi", Meaning.UNCLEAR, HOLD.total_seconds())
    assert not seen.ends(HOLD)


def test_C3_what_another_server_accepts_proves_nothing(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    seen.answer("b.fi", Meaning.TAKEN, 60, OTHER)
    assert not seen.ends(HOLD)


def test_C3_a_worker_that_has_seen_nothing_ends_nothing(seen):
    assert not seen.ends(timedelta(days=4))
    assert not seen.refuses_us(timedelta(0))


def test_C3_recipients_of_several_domains_are_refused_because_of_us(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    assert not seen.refuses_us(SECOND)
    seen.answer("b.fi", Meaning.UNCLEAR, 1)
    seen.answer("ours.fi", Meaning.TAKEN, 60)
    assert seen.refuses_us(HOLD)
    assert not seen.ends(HOLD)
    assert not seen.refuses_us(HOLD, OTHER)


def test_C3_ten_minutes_count_anew_once_the_server_no_longer_refuses_us(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    seen.answer("a.fi", Meaning.US, HOLD.total_seconds())
    seen.answer("b.fi", Meaning.TAKEN, HOLD.total_seconds() + 1)
    assert not seen.ends(2 * HOLD - SECOND)
    assert seen.ends(2 * HOLD)


def test_C3_a_few_refused_domains_among_many_accepted_are_their_own_matter(seen):
    for number in range(3):
        seen.answer(f"{number}.fi", Meaning.TAKEN, number)
    seen.answer("a.fi", Meaning.UNCLEAR, 3)
    seen.answer("b.fi", Meaning.UNCLEAR, 4)
    assert seen.ends(HOLD)
    assert not seen.refuses_us(HOLD)


def test_C3_a_domain_counts_by_its_last_answer(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    seen.answer("b.fi", Meaning.UNCLEAR, 1)
    seen.answer("b.fi", Meaning.TAKEN, 2)
    assert not seen.refuses_us(HOLD)
    assert seen.ends(HOLD + SECOND)


def test_C3_a_server_that_has_refused_everything_for_ten_minutes_refuses_us(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    assert not seen.refuses_us(HOLD - SECOND)
    assert seen.refuses_us(HOLD)
    assert not seen.ends(HOLD)


def test_C3_answers_older_than_half_an_hour_do_not_count(seen):
    seen.answer("a.fi", Meaning.UNCLEAR, 0)
    seen.answer("b.fi", Meaning.UNCLEAR, 1)
    assert seen.refuses_us(WINDOW - SECOND)
    assert not seen.refuses_us(WINDOW + SECOND)


def test_C3_a_certain_refusal_of_us_is_said_at_once_and_ends_with_the_next_accepted_mail(seen):
    seen.answer("a.fi", Meaning.US, 0)
    assert seen.refuses_us(SECOND)
    assert not seen.refuses_us(WINDOW)
    seen.answer("a.fi", Meaning.TAKEN, 5)
    assert not seen.refuses_us(SECOND)


async def test_C3_a_refused_login_is_an_alarm_and_ends_nothing(make_mailer, mails, now, tmp_path, server_key, caplog):
    (tmp_path / "password").write_text("wrong\n")
    (tmp_path / "password").chmod(0o600)
    account = {"smtp_username": "ca", "smtp_password_file": tmp_path / "password"}
    tls = {"smtp_tls": "implicit", "smtp_ca_file": server_key.pem}
    offers = ("AUTH PLAIN", "PIPELINING")
    async with Script({"AUTH": "535 5.7.8 No"}, offers=offers).serving(server_key.context) as script:
        mailer = make_mailer(script.port, at=now + timedelta(days=9), **account, **tls)
        (outcome,) = await mailer.deliver(mails(1))
        assert outcome.data.state is MailState.DEFERRED, "beyond the time, too"
        assert await mailer.refusing() == {f"127.0.0.1:{script.port}": 1}
    assert any(record.getMessage().startswith("alarm: ") for record in caplog.records)


@pytest.mark.parametrize("meaning", [Meaning.MAIL, Meaning.LATER])
def test_C3_refused_addresses_and_busy_servers_say_nothing_about_us(seen, meaning):
    for number in range(9):
        seen.answer(f"{number}.fi", meaning, number)
    assert not seen.refuses_us(HOLD)


class Office:
    """Mails to several domains through one mailer, all tried again after a time, as the ledger would."""

    def __init__(self, mailer, tasks, now):
        self.mailer, self.now = mailer, now
        self.tasks = {task.id: task for task in tasks}
        self.states = dict.fromkeys(self.tasks)

    async def attempt(self, after=timedelta(0)):
        """Try each open mail, and return all states."""
        self.now += after
        self.mailer._clock = lambda: self.now
        tries = [task for task in self.tasks.values() if self.states[task.id] in (None, MailState.DEFERRED)]
        for task, outcome in zip(tries, await self.mailer.deliver(tries), strict=True):
            self.states[task.id] = outcome.data.state
            refused = {"refused_since": outcome.data.refused_since, "attempts": outcome.data.attempts}
            object.__setattr__(task, "data", task.data.model_copy(update=refused))
        return list(self.states.values())


@pytest.fixture
def office(make_mailer, mails, now):
    def make(port, count=4):
        tasks = mails(count)
        for number, task in enumerate(tasks):
            to = task.data.recipient.model_copy(update={"email": f"a@customer{number}.fi"})
            object.__setattr__(task, "data", task.data.model_copy(update={"recipient": to}))
        return Office(make_mailer(port), tasks, now)

    return make


UNCLEAR = [answer for answer in ANSWERS if answer[3] is Meaning.UNCLEAR]


@pytest.mark.parametrize(("server", "step", "answer", "meaning"), UNCLEAR)
async def test_C3_a_server_that_says_no_to_us_loses_no_mail(office, caplog, server, step, answer, meaning):
    script = Script({VERB[step]: answer})
    async with script.serving():
        sent = office(script.port)
        for _ in range(40):
            assert await sent.attempt(timedelta(minutes=15)) == [MailState.DEFERRED] * 4, "beyond the time, too"
        assert await sent.mailer.refusing() == {f"127.0.0.1:{script.port}": 1}
        alarms = [record for record in caplog.records if record.getMessage().startswith("alarm: ")]
        assert [record.relay for record in alarms] == [f"127.0.0.1:{script.port}"]
        script.answers.clear()
        assert await sent.attempt(timedelta(minutes=15)) == [MailState.HANDED_OVER] * 4
        assert await sent.mailer.refusing() == {f"127.0.0.1:{script.port}": 0}
    assert len(script.accepted) == 4


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
async def test_C3_a_login_that_is_asked_for_ends_nothing(office, step):
    async with Script({step: "530 5.7.0 Log in"}).serving() as script:
        sent = office(script.port, 1)
        for _ in range(10):
            assert await sent.attempt(timedelta(hours=1)) == [MailState.DEFERRED]
        assert await sent.mailer.refusing() == {f"127.0.0.1:{script.port}": 1}


@pytest.mark.parametrize("script", [Script(greeting="554 5.7.1 Blocked"), Script({"EHLO": "550 5.7.1 Blocked"})])
async def test_C3_a_server_that_refuses_our_host_is_an_alarm_and_ends_nothing(make_mailer, mails, now, caplog, script):
    """Nor where another server does not answer."""
    async with Script().serving() as gone:
        pass
    async with script.serving():
        hosts = f"127.0.0.1:{script.port},127.0.0.1:{gone.port}"
        mailer = make_mailer(script.port, at=now + timedelta(days=9), smtp_host=hosts)
        (outcome,) = await mailer.deliver(mails(1))
        assert outcome.data.state is MailState.DEFERRED, "beyond the time, too"
        assert outcome.data.give_up_at == now + timedelta(days=10)
        assert (await mailer.refusing())[f"127.0.0.1:{script.port}"] == 1
    assert any(record.getMessage().startswith("alarm: ") for record in caplog.records)
    assert any("refuses this host" in getattr(record, "reason", "") for record in caplog.records)


async def test_C3_one_refused_recipient_is_final_while_others_are_accepted(office, caplog):
    refuse_one = {"RCPT": lambda line: "550 5.7.1 No" if "customer1" in line else "250 Ok"}
    async with Script(refuse_one).serving() as script:
        sent = office(script.port, 2)
        assert await sent.attempt() == [MailState.HANDED_OVER, MailState.DEFERRED]
        more = office(script.port, 1)
        more.mailer, more.now = sent.mailer, sent.now + timedelta(minutes=1)
        assert await more.attempt() == [MailState.HANDED_OVER]
        assert await sent.attempt(HOLD - SECOND) == [MailState.HANDED_OVER, MailState.DEFERRED]
        assert await sent.attempt(SECOND) == [MailState.HANDED_OVER, MailState.REFUSED]
    assert not [record for record in caplog.records if record.getMessage().startswith("alarm: ")]


async def test_C3_the_next_server_gets_the_mails_of_one_that_refuses_us(office, make_mailer):
    async with Script({"RCPT": "554 5.7.1 Relay access denied"}).serving() as first, Script().serving() as second:
        sent = office(first.port)
        sent.mailer = make_mailer(first.port, smtp_host=f"127.0.0.1:{first.port},127.0.0.1:{second.port}")
        states = await sent.attempt()
        assert states == [MailState.DEFERRED] * 2 + [MailState.HANDED_OVER] * 2
        assert await sent.attempt(SECOND) == [MailState.HANDED_OVER] * 4
