"""Opening a conversation with a real mail server: encryption, login, and servers that do not open (C3)."""

import asyncio
from contextlib import suppress

import pytest
from aiosmtplib import SMTP
from listening import talking
from servicecert_notifier.domain import relays
from servicecert_notifier.domain.task import MailState
from services.notifier.smtp_script import Script, states


async def test_starttls_that_is_required_and_not_offered_is_a_sentence(mail_server, make_mailer, mails, reasons):
    async with mail_server() as fake_server:
        (outcome,) = await make_mailer(fake_server.port, smtp_tls="starttls").deliver(mails(1))
    assert states([outcome]) == [MailState.DEFERRED]
    assert "STARTTLS is required" in reasons()[0]
    assert "SMTP_TLS=off" in reasons()[0]
    assert fake_server.recipients == []


async def test_required_starttls_verifies_the_server(mail_server, make_mailer, mails, server_key, reasons):
    async with mail_server(tls_context=server_key.context, require_starttls=True) as fake_server:
        assert states(await make_mailer(fake_server.port, smtp_tls="starttls").deliver(mails(1))) == [
            MailState.DEFERRED
        ]
        assert "SMTP_CA_FILE" in reasons()[0]
        known = make_mailer(fake_server.port, smtp_tls="starttls", smtp_ca_file=server_key.pem)
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
    mail_server, make_mailer, mails, make_server_key, reasons, wrong, way_out
):
    key = make_server_key(**wrong)
    async with mail_server(tls_context=key.context, require_starttls=True) as fake_server:
        mailer = make_mailer(fake_server.port, smtp_tls="starttls", smtp_ca_file=key.pem)
        assert states(await mailer.deliver(mails(1))) == [MailState.DEFERRED]
    assert fake_server.recipients == []
    assert way_out in reasons()[0]
    assert "SMTP_CA_FILE" not in reasons()[0]


async def test_opportunistic_starttls_takes_what_there_is(mail_server, make_mailer, mails, server_key):
    async with mail_server(tls_context=server_key.context, require_starttls=True) as fake_server:
        assert states(await make_mailer(fake_server.port, smtp_tls="opportunistic").deliver(mails(1))) == [
            MailState.HANDED_OVER
        ]
    async with mail_server() as fake_server:
        assert states(await make_mailer(fake_server.port, smtp_tls="opportunistic").deliver(mails(1))) == [
            MailState.HANDED_OVER
        ]


@pytest.mark.parametrize(("password", "expected"), [("right", MailState.HANDED_OVER), ("wrong", MailState.DEFERRED)])
async def test_a_login_that_fails_refuses_no_mail(
    mail_server, make_mailer, mails, server_key, tmp_path, reasons, password, expected
):
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def authenticator(server, session, envelope, mechanism, given):
        return AuthResult(success=given == LoginPassword(b"notifier", b"right"), handled=False)

    file = tmp_path / "password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    tls = {"tls_context": server_key.context, "auth_required": True, "authenticator": authenticator}
    async with mail_server(**tls) as fake_server:
        mailer = make_mailer(
            fake_server.port,
            smtp_tls="starttls",
            smtp_ca_file=server_key.pem,
            smtp_username="notifier",
            smtp_password_file=file,
        )
        (outcome,) = await mailer.deliver(mails(1))
    assert states([outcome]) == [expected]
    if expected is MailState.DEFERRED:
        assert "SMTP_PASSWORD_FILE" in reasons()[0]
        assert password not in reasons()[0]


async def test_a_login_that_is_refused_is_not_tried_for_each_mail(
    mail_server, make_mailer, mails, server_key, tmp_path, reasons
):
    """A server locks an account that is tried too often with a wrong password."""
    from aiosmtpd.smtp import AuthResult

    tried = []

    def authenticator(server, session, envelope, mechanism, given):
        tried.append(given.password)
        return AuthResult(success=given.password == b"right", handled=False)

    file = tmp_path / "password"
    file.write_text("wrong\n")
    file.chmod(0o600)
    tls = {"tls_context": server_key.context, "auth_required": True, "authenticator": authenticator}
    login = {"smtp_tls": "starttls", "smtp_ca_file": server_key.pem, "smtp_username": "notifier"}
    async with mail_server(**tls) as fake_server:
        mailer = make_mailer(fake_server.port, **login, smtp_password_file=file)
        for _ in range(5):
            assert states(await mailer.deliver(mails(2))) == [MailState.DEFERRED] * 2
        once = len(tried)
        assert set(tried) == {b"wrong"}
        assert all("SMTP_PASSWORD_FILE" in reason for reason in reasons())
        file.write_text("right\n")
        mailer._relays.login_refused(mailer._relays.all[0], "long ago", -relays.BACKOFF_SECONDS)
        assert states(await mailer.deliver(mails(2))) == [MailState.HANDED_OVER] * 2
    assert once <= 2, "each way to log in that the server offers is tried once"


async def test_a_login_that_is_not_offered_is_a_refusal_with_the_way_out(
    make_mailer, mails, tmp_path, server_key, reasons
):
    (tmp_path / "password").write_text("right")
    (tmp_path / "password").chmod(0o600)
    account = {"smtp_username": "ca", "smtp_password_file": tmp_path / "password"}
    async with Script().serving(server_key.context) as script:
        mailer = make_mailer(script.port, smtp_tls="implicit", smtp_ca_file=server_key.pem, **account)
        assert states(await mailer.deliver(mails(1))) == [MailState.DEFERRED]
        assert list((await mailer.refusing()).values()) == [1]
    assert "offers no login" in reasons()[0]


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [("554 Go away", "answered 554"), ("hello", "does not speak SMTP"), ("", "did not answer in time")],
)
async def test_a_server_that_does_not_open_is_a_sentence(make_mailer, mails, reasons, greeting, sentence):
    async def talk(reader, writer):
        if greeting:
            writer.write(f"{greeting}\r\n".encode())
        await reader.read()
        writer.close()

    async with talking(talk) as port:
        outcomes = await make_mailer(port, smtp_timeout_seconds=0.3).deliver(mails(3))
    assert states(outcomes) == [MailState.DEFERRED] * 3
    assert [sentence in reason for reason in reasons()] == [True] * 3


@pytest.mark.parametrize("more", ["", "250 And this\r\n", "421 4.3.2 Going\r\n"])
async def test_a_server_that_ends_as_it_opens_is_not_asked_for_ever(make_mailer, mails, reasons, more):
    connections = 0

    async def talk(reader, writer):
        nonlocal connections
        connections += 1
        writer.write(b"220 test\r\n")
        await reader.readline()
        writer.write(f"250 test\r\n{more}".encode())
        writer.close()

    async with talking(talk) as port, asyncio.timeout(120):
        assert states(await make_mailer(port).deliver(mails(3))) == [MailState.DEFERRED] * 3
    assert connections <= 3
    assert ["ended" in reason or "421" in reason or "broke off" in reason for reason in reasons()] == [True] * 3


async def test_whoever_is_cancelled_while_a_server_is_asked_hands_nothing_over(
    mail_server, make_mailer, mails, monkeypatch
):
    """aiosmtplib uses asyncio.wait_for, which up to Python 3.11 can swallow a cancellation as the server answers."""
    asking, connect = asyncio.Event(), SMTP.connect

    async def deaf(client):
        asking.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await connect(client)

    monkeypatch.setattr(SMTP, "connect", deaf)
    async with mail_server() as fake_server:
        delivery = asyncio.create_task(make_mailer(fake_server.port).deliver(mails(3)))
        await asking.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
    assert fake_server.recipients == []
