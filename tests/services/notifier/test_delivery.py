"""Real conversations with mail servers (C3)."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from servicecert_notifier import relays
from servicecert_notifier.task import NO_ANSWER, MailState
from structlog.testing import capture_logs

DIES = "dies"


def states(outcomes):
    return [outcome.data.state for outcome in outcomes]


@pytest.fixture
def reasons(caplog):
    """Why mails were deferred, as the log says."""
    caplog.set_level(logging.INFO, "servicecert_notifier.effects")
    with capture_logs() as logs:
        yield lambda: [entry["reason"] for entry in logs if entry["event"] == "mail deferred"]


@pytest.fixture
def scripted():
    """A server that offers PIPELINING and answers each line it knows with a fixed reply, and any content with `taken`."""

    def make(answers, greeting="220 test", taken="250 2.0.0 Ok"):
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
            writer.write(f"{greeting}\r\n".encode())
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


async def listening(talk):
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_C3_mails_are_handed_over_through_few_connections(mail_server, postman, mails):
    async with mail_server() as desk:
        carrier = postman(desk.port)
        for _ in range(3):
            halves = await asyncio.gather(carrier.deliver(mails(10)[:5]), carrier.deliver(mails(10)[5:]))
            assert states([*halves[0], *halves[1]]) == [MailState.HANDED_OVER] * 10
        assert desk.connections == 2
        assert await carrier.connections() == {f"127.0.0.1:{desk.port}": 2}
        assert sorted(desk.recipients) == sorted(f"a{number}@example.fi" for number in range(10) for _ in range(3))


async def test_C3_a_refused_address_is_final_and_the_others_go_on(mail_server, postman, mails, desk):
    async with mail_server(desk(rcpt=["250 Ok", "550 5.1.1 <a1@example.fi> is unknown"])) as server:
        outcomes = await postman(server.port).deliver(mails(3))
    assert states(outcomes) == [MailState.HANDED_OVER, MailState.REFUSED, MailState.HANDED_OVER]
    assert outcomes[1].data.answer == "550 5.1.1"
    assert len(server.contents) == 2
    assert server.connections == 1


async def test_C3_a_refused_content_is_final(mail_server, postman, mails, desk):
    async with mail_server(desk(data=["554 5.6.0 No"])) as server:
        (outcome,) = await postman(server.port).deliver(mails(1, tries=4))
    assert (outcome.data.state, outcome.data.answer, outcome.data.attempts) == (MailState.REFUSED, "554 5.6.0", 5)


@pytest.mark.parametrize("script", [{"rcpt": ["450 4.2.1 Later"]}, {"data": ["451 4.3.0 Later"]}])
async def test_C3_a_temporary_answer_is_tried_again(mail_server, postman, mails, desk, script):
    async with mail_server(desk(**script)) as server:
        carrier = postman(server.port)
        (first,) = await carrier.deliver(mails(1))
        assert states([first]) == [MailState.DEFERRED]
        assert first.data.answer in ("450 4.2.1", "451 4.3.0")
        (second,) = await carrier.deliver(mails(1, tries=1))
    assert (second.data.state, second.data.attempts) == (MailState.HANDED_OVER, 2)


async def test_C3_a_mail_is_given_up_when_its_time_is_over(mail_server, postman, mails, now, desk):
    late = now + timedelta(hours=2)
    async with mail_server(desk(rcpt=["450 4.2.1 Later"])) as server:
        (outcome,) = await postman(server.port, at=late).deliver(mails(1))
    assert (outcome.data.state, outcome.data.answer) == (MailState.GIVEN_UP, "450 4.2.1")
    (unreached,) = await postman(server.port, at=late).deliver(mails(1))
    assert (unreached.data.state, unreached.data.answer) == (MailState.GIVEN_UP, NO_ANSWER)


async def test_C3_a_server_that_is_gone_is_found_again_when_it_is_back(mail_server, postman, mails):
    async with mail_server() as desk:
        carrier = postman(desk.port)
        assert states(await carrier.deliver(mails(2))) == [MailState.HANDED_OVER] * 2
    gone = await carrier.deliver(mails(5))
    assert states(gone) == [MailState.DEFERRED] * 5
    async with mail_server(desk, port=desk.port):
        for _ in range(2):  # A conversation that was open when the server went may be noticed only now.
            outcomes = await carrier.deliver(mails(5))
        assert states(outcomes) == [MailState.HANDED_OVER] * 5


async def test_I9_a_mail_whose_answer_got_lost_is_repeated_byte_for_byte(mail_server, postman, mails, desk):
    async with mail_server(desk(data=[DIES])) as server:
        carrier = postman(server.port)
        assert states(await carrier.deliver(mails(2))) == [MailState.DEFERRED, MailState.HANDED_OVER]
        assert states(await carrier.deliver(mails(1, tries=1))) == [MailState.HANDED_OVER]
    first, _, repeated = server.contents
    assert first == repeated
    assert b"Message-ID: <" in first


async def test_recipients_of_one_case_get_the_same_letter_and_other_cases_their_own(mail_server, postman, mails):
    first, second, third = mails(3)
    object.__setattr__(second, "data", second.data.model_copy(update={"content": first.data.content}))
    other = third.data.content.model_copy(update={"serial": "0b", "subject": "CN=other.example"})
    object.__setattr__(third, "data", third.data.model_copy(update={"content": other}))
    async with mail_server() as desk:
        await postman(desk.port).deliver([first, second, third, first])
    names = [message_from_bytes(content, policy=policy.default)["Subject"].split()[2] for content in desk.contents]
    assert names == ["kanta.laakaritalo.example"] * 2 + ["other.example", "kanta.laakaritalo.example"]
    assert desk.contents[0] == desk.contents[3] != desk.contents[1]


async def test_one_bad_mail_does_not_hold_up_the_others(mail_server, postman, mails, reasons):
    tasks = mails(3)
    spoilt = tasks[0].data.content.model_copy(update={"fingerprint": "no hexadecimal"})
    strange = tasks[1].data.recipient.model_copy(update={"email": "mäija@example.fi"})
    object.__setattr__(tasks[0], "data", tasks[0].data.model_copy(update={"content": spoilt}))
    object.__setattr__(tasks[1], "data", tasks[1].data.model_copy(update={"recipient": strange}))
    async with mail_server() as desk:
        outcomes = await postman(desk.port).deliver(tasks)
    assert states(outcomes) == [MailState.DEFERRED, MailState.REFUSED, MailState.HANDED_OVER]
    assert reasons() == ["The mail could not be written (ValueError)."]
    assert outcomes[1].data.answer == NO_ANSWER


async def test_starttls_that_is_required_and_not_offered_is_a_sentence(mail_server, postman, mails, reasons):
    async with mail_server() as desk:
        (outcome,) = await postman(desk.port, smtp_tls="starttls").deliver(mails(1))
    assert states([outcome]) == [MailState.DEFERRED]
    assert "STARTTLS is required" in reasons()[0]
    assert "SMTP_TLS=off" in reasons()[0]
    assert desk.recipients == []


async def test_required_starttls_verifies_the_server(mail_server, postman, mails, server_key, reasons):
    async with mail_server(tls_context=server_key.context, require_starttls=True) as desk:
        assert states(await postman(desk.port, smtp_tls="starttls").deliver(mails(1))) == [MailState.DEFERRED]
        assert "SMTP_CA_FILE" in reasons()[0]
        known = postman(desk.port, smtp_tls="starttls", smtp_ca_file=server_key.pem)
        assert states(await known.deliver(mails(3))) == [MailState.HANDED_OVER] * 3


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        ({"since": -2, "until": -1}, "have it renewed there"),
        ({"since": 1, "until": 2}, "have it renewed there"),
        ({"ip": "127.0.0.2"}, "write SMTP_HOST as the certificate names it"),
    ],
)
async def test_a_certificate_that_does_not_verify_is_a_sentence_with_the_way_out(
    mail_server, postman, mails, make_server_key, reasons, wrong, way_out
):
    key = make_server_key(**wrong)
    async with mail_server(tls_context=key.context, require_starttls=True) as desk:
        carrier = postman(desk.port, smtp_tls="starttls", smtp_ca_file=key.pem)
        assert states(await carrier.deliver(mails(1))) == [MailState.DEFERRED]
    assert desk.recipients == []
    assert way_out in reasons()[0]
    assert "SMTP_CA_FILE" not in reasons()[0]


async def test_opportunistic_starttls_takes_what_there_is(mail_server, postman, mails, server_key):
    async with mail_server(tls_context=server_key.context, require_starttls=True) as desk:
        assert states(await postman(desk.port, smtp_tls="opportunistic").deliver(mails(1))) == [MailState.HANDED_OVER]
    async with mail_server() as desk:
        assert states(await postman(desk.port, smtp_tls="opportunistic").deliver(mails(1))) == [MailState.HANDED_OVER]


@pytest.mark.parametrize(("password", "expected"), [("right", MailState.HANDED_OVER), ("wrong", MailState.DEFERRED)])
async def test_a_login_that_fails_refuses_no_mail(
    mail_server, postman, mails, server_key, tmp_path, reasons, password, expected
):
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def authenticator(server, session, envelope, mechanism, given):
        return AuthResult(success=given == LoginPassword(b"notifier", b"right"), handled=False)

    file = tmp_path / "password"
    file.write_text(password + "\n")
    tls = {"tls_context": server_key.context, "auth_required": True, "authenticator": authenticator}
    async with mail_server(**tls) as desk:
        carrier = postman(
            desk.port,
            smtp_tls="starttls",
            smtp_ca_file=server_key.pem,
            smtp_username="notifier",
            smtp_password_file=file,
        )
        (outcome,) = await carrier.deliver(mails(1))
    assert states([outcome]) == [expected]
    if expected is MailState.DEFERRED:
        assert "SMTP_PASSWORD_FILE" in reasons()[0]
        assert password not in reasons()[0]


async def test_a_login_that_is_refused_is_not_tried_for_each_mail(
    mail_server, postman, mails, server_key, tmp_path, reasons
):
    """A server locks an account that is tried too often with a wrong password."""
    from aiosmtpd.smtp import AuthResult

    tried = []

    def authenticator(server, session, envelope, mechanism, given):
        tried.append(given.password)
        return AuthResult(success=given.password == b"right", handled=False)

    file = tmp_path / "password"
    file.write_text("wrong\n")
    tls = {"tls_context": server_key.context, "auth_required": True, "authenticator": authenticator}
    login = {"smtp_tls": "starttls", "smtp_ca_file": server_key.pem, "smtp_username": "notifier"}
    async with mail_server(**tls) as desk:
        carrier = postman(desk.port, **login, smtp_password_file=file)
        for _ in range(5):
            assert states(await carrier.deliver(mails(2))) == [MailState.DEFERRED] * 2
        once = len(tried)
        assert set(tried) == {b"wrong"}
        assert all("SMTP_PASSWORD_FILE" in reason for reason in reasons())
        file.write_text("right\n")
        carrier._relays.refused(carrier._relays.all[0], "long ago", -relays.REST_SECONDS)
        assert states(await carrier.deliver(mails(2))) == [MailState.HANDED_OVER] * 2
    assert once <= 2, "each way to log in that the server offers is tried once"


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


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [("554 Go away", "answered 554"), ("hello", "does not speak SMTP"), ("", "did not answer in time")],
)
async def test_a_server_that_does_not_open_is_a_sentence(scripted, postman, mails, reasons, greeting, sentence):
    talk, _ = scripted({}, greeting=greeting)

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server, port = await listening(talk if greeting else silent)
    async with server:
        outcomes = await postman(port, smtp_timeout_seconds=0.3).deliver(mails(3))
    assert states(outcomes) == [MailState.DEFERRED] * 3
    assert [sentence in reason for reason in reasons()] == [True] * 3


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


@pytest.mark.parametrize("more", ["", "250 And this\r\n", "421 4.3.2 Going\r\n"])
async def test_a_server_that_ends_as_it_opens_is_not_asked_for_ever(postman, mails, reasons, more):
    connections = 0

    async def talk(reader, writer):
        nonlocal connections
        connections += 1
        writer.write(b"220 test\r\n")
        await reader.readline()
        writer.write(f"250 test\r\n{more}".encode())
        writer.close()

    server, port = await listening(talk)
    async with server, asyncio.timeout(30):
        assert states(await postman(port).deliver(mails(3))) == [MailState.DEFERRED] * 3
    assert connections <= 3
    assert ["ended" in reason or "421" in reason or "broke off" in reason for reason in reasons()] == [True] * 3


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
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_silent_server_costs_a_batch_one_time_out(postman, mails, reasons):
    async def talk(reader, writer):
        writer.write(b"220 test\r\n")
        await reader.readline()
        writer.write(b"250 test\r\n")
        await reader.read()
        writer.close()

    server, port = await listening(talk)
    loop = asyncio.get_running_loop()
    async with server:
        start = loop.time()
        outcomes = await postman(port, smtp_timeout_seconds=0.3).deliver(mails(20))
        assert loop.time() - start < 3
    assert states(outcomes) == [MailState.DEFERRED] * 20
    assert ["did not answer within 0.3 s" in reason for reason in reasons()] == [True] * 20


async def test_E3_no_address_is_logged_or_answered(mail_server, postman, mails, desk, caplog):
    caplog.set_level(logging.DEBUG, "servicecert_notifier.effects")
    script = desk(rcpt=["550 5.1.1 <a0@example.fi> is unknown", "450 <a1@example.fi> is busy"])
    with capture_logs() as logs:
        async with mail_server(script) as server:
            outcomes = await postman(server.port).deliver(mails(3))
    told = repr(logs) + repr(outcomes)
    assert {entry["event"] for entry in logs} == {"mail refused", "mail deferred", "mail handed-over"}
    assert "a***@example.fi" in told
    assert not any(f"a{number}@" in told for number in range(3))
