"""The mail catcher stores every mail that it accepted."""

import asyncio
import smtplib

import pytest
from servicecert_launcher.mail_catcher import MailCatcher

MAIL = b"Message-ID: <1@example.fi>\r\nSubject: x\r\n\r\n.\r\nbody\r\n"


def send(catcher: MailCatcher, *mails: bytes) -> None:
    with smtplib.SMTP(catcher.host, catcher.port, timeout=10) as client:
        for mail in mails:
            client.sendmail("a@example.fi", ["b@example.fi"], mail)


async def test_a_mail_is_a_file_named_after_its_number_and_id(tmp_path):
    folder = tmp_path / "new" / "mail"
    async with MailCatcher(folder) as catcher:
        await asyncio.to_thread(send, catcher, MAIL, b"Message-ID: <../../x y>\r\n\r\nz\r\n", b"no header\r\n")
        mails = await catcher.wait_for(3)
    assert [path.name for path in sorted(folder.iterdir())] == [
        "0001-1_example.fi.eml",
        "0002-.._.._x_y.eml",
        "0003-without-id.eml",
    ]
    assert mails[0].content == (folder / "0001-1_example.fi.eml").read_bytes() == MAIL
    assert (mails[0].sender, mails[0].recipients) == ("a@example.fi", ("b@example.fi",))


async def test_a_new_catcher_goes_on_counting(tmp_path):
    for _ in range(2):
        async with MailCatcher(tmp_path) as catcher:
            await asyncio.to_thread(send, catcher, MAIL)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0001-1_example.fi.eml", "0002-1_example.fi.eml"]


async def test_without_a_folder_mails_stay_in_memory():
    async with MailCatcher() as catcher, MailCatcher() as other:
        assert catcher.port != other.port
        await asyncio.to_thread(send, catcher, MAIL)
        (mail,) = await catcher.wait_for(1)
        assert (mail.content, mail.path, other.mails) == (MAIL, None, [])


async def test_it_ends_also_while_a_client_is_connected():
    async with MailCatcher() as catcher:
        client = await asyncio.to_thread(smtplib.SMTP, catcher.host, catcher.port, timeout=10)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await asyncio.to_thread(client.noop)
    client.close()
