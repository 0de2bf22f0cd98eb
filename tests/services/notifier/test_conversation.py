"""A conversation with a mail server on a socket, command by command (RFC 5321, RFC 2920), also with one that does what none should (C3)."""

import asyncio
from contextlib import suppress

import pytest
from servicecert_notifier.domain.task import MailState
from services.notifier.smtp_script import DIES, listening, states


@pytest.fixture
def scripted():
    """A server that offers PIPELINING and answers each line it knows with a fixed reply, also what contradicts an earlier one, and any content with `taken`."""

    def make(answers, taken="250 2.0.0 Ok"):
        seen = []

        async def talk(reader, writer):
            # A client that is gone in the middle is what some of these tests are about.
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await converse(reader, writer)
            writer.close()

        async def converse(reader, writer):
            replies = {
                "EHLO": "250-test\r\n250 PIPELINING",
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
                    content = (
                        await reader.readuntil(b".\r\n")
                        if replies["RCPT"].startswith("5")
                        else await reader.readuntil(b"\r\n.\r\n")
                    )
                    seen.append(content)
                    writer.write(f"{taken}\r\n".encode())

        return talk, seen

    return make


@pytest.mark.parametrize(
    ("answers", "taken", "expected", "content"),
    [
        ({"RCPT": "550 5.1.1 No", "DATA": "554 5.5.1 No"}, "250 Ok", MailState.REFUSED, None),
        ({"RCPT": "550 5.1.1 No", "DATA": "354 Go"}, "554 5.5.1 No", MailState.REFUSED, b".\r\n"),
        ({"RCPT": "450 4.2.1 Later", "DATA": "503 5.5.1 No"}, "250 Ok", MailState.DEFERRED, None),
        ({"RCPT": "250 Ok", "DATA": "250 What"}, "250 Ok", MailState.DEFERRED, None),
        ({"MAIL": "530 5.7.0 Log in", "RCPT": "503 No", "DATA": "503 No"}, "250 Ok", MailState.DEFERRED, None),
        (
            {"MAIL": "421 4.3.2 Going", "RCPT": "421 4.3.2 Going", "DATA": "421 4.3.2 Going"},
            "250 Ok",
            MailState.DEFERRED,
            None,
        ),
        ({"RCPT": "hello", "DATA": "354 Go"}, "250 Ok", MailState.DEFERRED, None),
        ({"RCPT": DIES}, "250 Ok", MailState.DEFERRED, None),
    ],
)
async def test_pipelined_commands_are_each_answered(scripted, postman, mails, answers, taken, expected, content):
    talk, seen = scripted(answers, taken=taken)
    server, port = await listening(talk)
    async with server:
        (outcome,) = await postman(port).deliver(mails(1))
    assert states([outcome]) == [expected]
    assert [part for part in seen if isinstance(part, bytes)] == ([content] if content else [])


async def test_a_pipelined_mail_arrives_with_its_dots(scripted, postman, mails):
    talk, seen = scripted({"RCPT": "250 Ok", "DATA": "354 Go"})
    server, port = await listening(talk)
    tasks = mails(1)
    recipient = tasks[0].data.recipient.model_copy(update={"name": None})
    object.__setattr__(tasks[0], "data", tasks[0].data.model_copy(update={"recipient": recipient}))
    async with server:
        assert states(await postman(port).deliver(tasks)) == [MailState.HANDED_OVER]
    (content,) = [part for part in seen if isinstance(part, bytes)]
    assert content.endswith(b"_mail--\r\n.\r\n")


async def test_replies_of_several_lines_are_one_reply(scripted, postman, mails):
    talk, _ = scripted({"RCPT": "250-2.1.5 It\r\n250-is\r\n250 2.1.5 Ok", "DATA": "354-Go\r\n354 on"})
    server, port = await listening(talk)
    async with server:
        assert states(await postman(port).deliver(mails(2))) == [MailState.HANDED_OVER] * 2


async def test_a_reply_without_end_is_cut_off(scripted, postman, mails):
    talk, _ = scripted({"MAIL": "2" * 2_000_000})
    server, port = await listening(talk)
    async with server:
        assert states(await postman(port).deliver(mails(1))) == [MailState.DEFERRED]


async def test_a_server_that_goes_on_answering_is_cut_off(postman, mails):
    ended = asyncio.Event()

    async def talk(reader, writer):
        for answer in ("220 test", "250 test", "250 Ok", "250 Ok", "354 Go"):
            writer.write(f"{answer}\r\n".encode())
            await reader.readline()
        await reader.readuntil(b"\r\n.\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"250 2.0.0 Ok\r\n" * 1_000)
                await writer.drain()
        ended.set()
        writer.close()

    server, port = await listening(talk)
    async with server, asyncio.timeout(30):
        assert states(await postman(port).deliver(mails(1))) == [MailState.HANDED_OVER]
        await ended.wait()


@pytest.mark.parametrize("waits_for", ["EHLO", "MAIL"])
async def test_a_delivery_that_is_abandoned_leaves_no_connection(postman, mails, waits_for):
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

    server, port = await listening(talk)
    async with server:
        delivery = asyncio.create_task(postman(port).deliver(mails(1)))
        await connected.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        async with asyncio.timeout(60):
            await ended.wait()


async def test_a_silent_server_costs_a_batch_one_time_out(postman, mails, reasons):
    conversations = []

    async def talk(reader, writer):
        conversations.append(writer)
        writer.write(b"220 test\r\n")
        await reader.readline()
        writer.write(b"250 test\r\n")
        await reader.read()
        writer.close()

    server, port = await listening(talk)
    async with server:
        outcomes = await postman(port, smtp_timeout_seconds=0.3).deliver(mails(20))
    assert len(conversations) == 1
    assert states(outcomes) == [MailState.DEFERRED] * 20
    assert ["did not answer within 0.3 s" in reason for reason in reasons()] == [True] * 20
