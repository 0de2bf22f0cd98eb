"""What becomes of a mail that is handed to a real mail server (C3)."""

import asyncio
import logging
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from servicecert_notifier.domain.task import NO_ANSWER, MailState
from services.notifier.smtp_script import DIES, states


async def test_C3_mails_are_handed_over_through_few_connections(mail_server, make_mailer, mails):
    async with mail_server() as fake_server:
        mailer = make_mailer(fake_server.port)
        for _ in range(3):
            halves = await asyncio.gather(mailer.deliver(mails(10)[:5]), mailer.deliver(mails(10)[5:]))
            assert states([*halves[0], *halves[1]]) == [MailState.HANDED_OVER] * 10
        assert fake_server.connections == 2
        assert await mailer.connections() == {f"127.0.0.1:{fake_server.port}": 2}
        assert sorted(fake_server.recipients) == sorted(
            f"a{number}@example.fi" for number in range(10) for _ in range(3)
        )


async def test_C3_a_refused_address_is_final_and_the_others_go_on(mail_server, make_mailer, mails, fake_server):
    async with mail_server(fake_server(rcpt=["250 Ok", "550 5.1.1 <a1@example.fi> is unknown"])) as server:
        outcomes = await make_mailer(server.port).deliver(mails(3))
    assert states(outcomes) == [MailState.HANDED_OVER, MailState.REFUSED, MailState.HANDED_OVER]
    assert outcomes[1].data.answer == "550 5.1.1"
    assert len(server.contents) == 2
    assert server.connections == 1


async def test_C3_a_mail_that_is_too_large_is_final(mail_server, make_mailer, mails, fake_server):
    async with mail_server(fake_server(data=["552 5.3.4 No"])) as server:
        (outcome,) = await make_mailer(server.port).deliver(mails(1, tries=4))
    assert (outcome.data.state, outcome.data.answer, outcome.data.attempts) == (MailState.REFUSED, "552 5.3.4", 5)
    assert outcome.data.relay == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("script", [{"rcpt": ["450 4.2.1 Later"]}, {"data": ["451 4.3.0 Later"]}])
async def test_C3_a_temporary_answer_is_tried_again(mail_server, make_mailer, mails, fake_server, script):
    async with mail_server(fake_server(**script)) as server:
        mailer = make_mailer(server.port)
        (first,) = await mailer.deliver(mails(1))
        assert states([first]) == [MailState.DEFERRED]
        assert first.data.answer in ("450 4.2.1", "451 4.3.0")
        (second,) = await mailer.deliver(mails(1, tries=1))
    assert (second.data.state, second.data.attempts) == (MailState.HANDED_OVER, 2)


async def test_C3_a_mail_is_given_up_when_its_time_is_over(mail_server, make_mailer, mails, now, fake_server):
    late = now + timedelta(hours=2)
    async with mail_server(fake_server(rcpt=["450 4.2.1 Later"])) as server:
        (outcome,) = await make_mailer(server.port, at=late).deliver(mails(1))
    assert (outcome.data.state, outcome.data.answer) == (MailState.GIVEN_UP, "450 4.2.1")
    (unreached,) = await make_mailer(server.port, at=late).deliver(mails(1))
    assert (unreached.data.state, unreached.data.answer) == (MailState.GIVEN_UP, NO_ANSWER)


async def test_C3_a_server_that_is_gone_is_found_again_when_it_is_back(mail_server, make_mailer, mails):
    async with mail_server() as fake_server:
        mailer = make_mailer(fake_server.port)
        assert states(await mailer.deliver(mails(2))) == [MailState.HANDED_OVER] * 2
    gone = await mailer.deliver(mails(5))
    assert states(gone) == [MailState.DEFERRED] * 5
    async with mail_server(fake_server, port=fake_server.port):
        for _ in range(2):  # A conversation that was open when the server went may be noticed only now.
            outcomes = await mailer.deliver(mails(5))
        assert states(outcomes) == [MailState.HANDED_OVER] * 5


async def test_I9_a_mail_whose_answer_got_lost_is_repeated_byte_for_byte(mail_server, make_mailer, mails, fake_server):
    async with mail_server(fake_server(data=[DIES])) as server:
        mailer = make_mailer(server.port)
        assert states(await mailer.deliver(mails(2))) == [MailState.DEFERRED, MailState.HANDED_OVER]
        assert states(await mailer.deliver(mails(1, tries=1))) == [MailState.HANDED_OVER]
    first, _, repeated = server.contents
    assert first == repeated
    assert b"Message-ID: <" in first


async def test_recipients_of_one_case_get_the_same_letter_and_other_cases_their_own(mail_server, make_mailer, mails):
    first, second, third = mails(3)
    object.__setattr__(second, "data", second.data.model_copy(update={"content": first.data.content}))
    other = third.data.content.model_copy(update={"serial": "0b", "subject": "CN=other.example"})
    object.__setattr__(third, "data", third.data.model_copy(update={"content": other}))
    async with mail_server() as fake_server:
        await make_mailer(fake_server.port).deliver([first, second, third, first])
    names = [
        message_from_bytes(content, policy=policy.default)["Subject"].split()[2] for content in fake_server.contents
    ]
    assert names == ["kanta.laakaritalo.example"] * 2 + ["other.example", "kanta.laakaritalo.example"]
    assert fake_server.contents[0] == fake_server.contents[3] != fake_server.contents[1]


async def test_one_bad_mail_does_not_hold_up_the_others(mail_server, make_mailer, mails, reasons):
    tasks = mails(3)
    spoilt = tasks[0].data.content.model_copy(update={"fingerprint": "no hexadecimal"})
    strange = tasks[1].data.recipient.model_copy(update={"email": "mäija@example.fi"})
    object.__setattr__(tasks[0], "data", tasks[0].data.model_copy(update={"content": spoilt}))
    object.__setattr__(tasks[1], "data", tasks[1].data.model_copy(update={"recipient": strange}))
    async with mail_server() as fake_server:
        outcomes = await make_mailer(fake_server.port).deliver(tasks)
    assert states(outcomes) == [MailState.DEFERRED, MailState.REFUSED, MailState.HANDED_OVER]
    assert reasons() == ["The mail could not be composed (ValueError)."]
    assert outcomes[1].data.answer == NO_ANSWER


async def test_E3_no_address_is_logged_or_answered(mail_server, make_mailer, mails, fake_server, caplog):
    caplog.set_level(logging.DEBUG, "servicecert_notifier.smtp.effects.handover")
    script = fake_server(rcpt=["550 5.1.1 <a0@example.fi> is unknown", "450 <a1@example.fi> is busy"])
    async with mail_server(script) as server:
        outcomes = await make_mailer(server.port).deliver(mails(3))
    logged = [record for record in caplog.records if record.name == "servicecert_notifier.smtp.effects.handover"]
    output = repr([vars(record) for record in logged]) + repr(outcomes)
    assert {record.getMessage() for record in logged} == {"Mail refused", "Mail deferred", "Mail handed-over"}
    assert {vars(record)["recipient"] for record in logged} == {"orderer"}
    assert "example.fi" not in output
