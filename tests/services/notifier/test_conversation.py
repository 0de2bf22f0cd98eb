"""Conversations with a mail server on a socket, command by command (RFC 5321), also with a misbehaving one (C3)."""

import asyncio
from contextlib import suppress

import pytest
from listening import talking
from servicecert_notifier.domain.task import MailState
from services.notifier.smtp_script import DIES, states


@pytest.fixture
def scripted():
    """A server with a fixed reply to each command, whatever came before. It accepts any content."""

    def make(answers):
        seen = []

        async def talk(reader, writer):
            # Some of these tests have a client that disconnects in the middle.
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await converse(reader, writer)
            writer.close()

        async def converse(reader, writer):
            replies = {
                "EHLO": "250-test\r\n250 8BITMIME",
                "QUIT": "221 Bye",
                "RSET": "250 Ok",
                "MAIL": "250 Ok",
            } | answers
            writer.write(b"220 test\r\n")
            while line := (await reader.readline()).decode():
                verb = line[:4].strip()
                seen.append(verb)
                if replies.get(verb) == DIES:
                    break
                writer.write(f"{replies[verb]}\r\n".encode())
                if replies[verb].startswith("354"):
                    seen.append(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 2.0.0 Ok\r\n")

        return talk, seen

    return make


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"RCPT": "550 5.1.1 No"}, MailState.REFUSED),
        ({"RCPT": "450 4.2.1 Later"}, MailState.DEFERRED),
        ({"RCPT": "250 Ok", "DATA": "250 What"}, MailState.DEFERRED),
        ({"RCPT": "354 Go"}, MailState.DEFERRED),
        ({"RCPT": "334 Go"}, MailState.DEFERRED),
        ({"MAIL": "530 5.7.0 Log in"}, MailState.DEFERRED),
        ({"MAIL": "421 4.3.2 Going"}, MailState.DEFERRED),
        ({"RCPT": "hello"}, MailState.DEFERRED),
        ({"RCPT": "999 Hello"}, MailState.DEFERRED),
        ({"RCPT": DIES}, MailState.DEFERRED),
    ],
)
async def test_what_is_refused_is_not_sent(scripted, make_mailer, mails, answers, expected):
    talk, seen = scripted(answers)
    async with talking(talk) as port:
        (outcome,) = await make_mailer(port).deliver(mails(1))
    assert states([outcome]) == [expected]
    assert not [part for part in seen if isinstance(part, bytes)]


async def test_a_mail_arrives_with_its_end(scripted, make_mailer, mails):
    talk, seen = scripted({"RCPT": "250 Ok", "DATA": "354 Go"})
    async with talking(talk) as port:
        assert states(await make_mailer(port).deliver(mails(1))) == [MailState.HANDED_OVER]
    (content,) = [part for part in seen if isinstance(part, bytes)]
    assert content.endswith(b"_mail--\r\n.\r\n")


async def test_replies_of_several_lines_are_one_reply(scripted, make_mailer, mails):
    talk, _ = scripted({"RCPT": "250-2.1.5 It\r\n250-is\r\n250 2.1.5 Ok", "DATA": "354-Go\r\n354 on"})
    async with talking(talk) as port:
        assert states(await make_mailer(port).deliver(mails(2))) == [MailState.HANDED_OVER] * 2


async def test_a_reply_without_end_is_cut_off(scripted, make_mailer, mails):
    talk, _ = scripted({"MAIL": "2" * 2_000_000})
    async with talking(talk) as port:
        assert states(await make_mailer(port).deliver(mails(1))) == [MailState.DEFERRED]


async def test_a_server_that_goes_on_answering_fills_no_memory_and_takes_no_other_mail(make_mailer, mails):
    taken, ended = asyncio.Event(), asyncio.Event()

    async def talk(reader, writer):
        for answer in ("220 test", "250 test", "250 Ok", "250 Ok", "354 Go"):
            writer.write(f"{answer}\r\n".encode())
            await reader.readline()
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 2.0.0 Ok\r\n")
        await taken.wait()
        with suppress(ConnectionError):
            while True:
                writer.write(b"250 2.0.0 Ok\r\n" * 1_000)
                await writer.drain()
        ended.set()
        writer.close()

    async with talking(talk) as port, asyncio.timeout(120):
        mailer = make_mailer(port)
        assert states(await mailer.deliver(mails(1))) == [MailState.HANDED_OVER]
        taken.set()
        (conversation,) = mailer._idle
        for _ in range(100):
            await asyncio.sleep(0)
            assert len(conversation._protocol._buffer) < 100_000
        assert states(await mailer.deliver(mails(1))) == [MailState.DEFERRED]
        await ended.wait()


@pytest.mark.parametrize("waits_for", ["EHLO", "MAIL"])
async def test_a_delivery_that_is_abandoned_leaves_no_connection(make_mailer, mails, waits_for):
    connected, ended = asyncio.Event(), asyncio.Event()

    async def talk(reader, writer):
        writer.write(b"220 test\r\n")
        while not (await reader.readline()).startswith(waits_for.encode()):
            writer.write(b"250 test\r\n")
        connected.set()
        with suppress(ConnectionError):
            await reader.read()
        ended.set()
        writer.close()

    async with talking(talk) as port:
        delivery = asyncio.create_task(make_mailer(port).deliver(mails(1)))
        await connected.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        async with asyncio.timeout(60):
            await ended.wait()


async def test_a_silent_server_costs_a_batch_one_time_out(make_mailer, mails, reasons):
    conversations = []

    async def talk(reader, writer):
        conversations.append(writer)
        writer.write(b"220 test\r\n")
        await reader.readline()
        writer.write(b"250 test\r\n")
        await reader.read()
        writer.close()

    async with talking(talk) as port:
        outcomes = await make_mailer(port, smtp_timeout_seconds=0.3).deliver(mails(20))
    assert len(conversations) == 1
    assert states(outcomes) == [MailState.DEFERRED] * 20
    assert ["did not answer within 0.3 s" in reason for reason in reasons()] == [True] * 20
