"""Bounces (C3): reports by RFC 3464 and RFC 6533, from any sender, in a Maildir."""

from __future__ import annotations

import asyncio
import os
import random
import time
from base64 import encodebytes
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from quopri import encodestring
from unittest.mock import AsyncMock
from uuid import UUID

import pytest
from servicecert_notifier.domain import bounces
from servicecert_notifier.domain.bounces import read
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.task import MailOutcome, MailState
from servicecert_notifier.effects import bounce_reader
from servicecert_notifier.effects.bounce_reader import BounceReader
from servicecert_notifier.storage.store import LedgerStore
from servicecert_worker.core.clock import ClockWrong
from servicecert_worker.core.decider import Result, Stored
from servicecert_worker.core.faults import UnexpectedCancellation, background
from toy.stand import assert_cancelled

MAIL = UUID("b873d513-c8e0-52db-8e8d-5cbe4b2db14a")


def report(
    envelope: str | None = f"Original-Envelope-Id: {MAIL}",
    action: str = "failed",
    status: str = "5.1.1",
    returned: str = "text/rfc822-headers",
    message_id: str = f"<{MAIL}@example.fi>",
) -> bytes:
    """A delivery status notification as Postfix writes it."""
    own = f"{envelope}\n" if envelope else ""
    return f"""\
From: MAILER-DAEMON@mail.example.fi
To: ca@example.fi
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that saga@fantasin.example is unknown.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.fi
{own}Arrival-Date: Tue, 24 Nov 2026 10:17:36 +0200 (EET)

Final-Recipient: rfc822; saga@fantasin.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <saga@fantasin.example>: unknown

--B
Content-Type: {returned}

From: ca@example.fi
Message-ID: {message_id}
Subject: Your certificate

--B--
""".replace("\n", "\r\n").encode()


def beyond_ascii(content: bytes, encoded: Callable[[bytes], bytes] | None = None, how: str = "8bit") -> bytes:
    """The same report as RFC 6533 has it, with its fields in a transfer encoding."""
    before, fields, after = content.partition(b"message/delivery-status\r\n\r\n")[0], *content.split(b"--B\r\n")[2:]
    fields = fields.partition(b"\r\n\r\n")[2].replace(b"rfc822; saga@", "utf-8; väinö@".encode())
    kind = f"message/global-delivery-status\r\nContent-Transfer-Encoding: {how}\r\n\r\n".encode()
    return before + kind + (encoded(fields) if encoded else fields) + b"\r\n--B\r\n" + after


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (report(), (MAIL, "5.1.1")),
        (beyond_ascii(report()), (MAIL, "5.1.1")),
        (beyond_ascii(report(), encodebytes, "base64"), (MAIL, "5.1.1")),
        (beyond_ascii(report(), encodestring, "quoted-printable"), (MAIL, "5.1.1")),
        (beyond_ascii(report(action="delayed", status="4.4.1")), None),
        (beyond_ascii(report(envelope=None, returned="message/global")), (MAIL, "5.1.1")),
        (beyond_ascii(report(envelope=None, returned="message/global-headers")), (MAIL, "5.1.1")),
        (report(envelope=None), (MAIL, "5.1.1")),
        (report(envelope=None, returned="message/rfc822"), (MAIL, "5.1.1")),
        (report(action="Failed", status="4.4.7 (expired)"), (MAIL, "4.4.7")),
        (report(status="nonsense"), (MAIL, "5.0.0")),
        (report(action="delayed", status="4.4.1"), None),
        (report(action="delivered", status="2.0.0"), None),
        (report(envelope=None, message_id=f"<{MAIL}@elsewhere.example>"), None),
        (report(envelope="Original-Envelope-Id: something", message_id="<x>"), None),
        (b"From: a\r\n\r\nI am on holiday.", None),
        (b"", None),
        (report() + b" " * bounces.MAX_BYTES, None),
        (report().replace(b"message/delivery-status", b"text/plain"), None),
    ],
)
def test_C3_a_report_names_a_mail_and_its_status_or_is_nothing(content, found):
    assert read(content, "example.fi") == found


def test_hostile_reports_are_nothing_and_harm_nothing():
    dice = random.Random(7)
    good = report()
    nested = b"Content-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n" * 3_000
    many = b"Content-Type: multipart/mixed; boundary=X\r\n\r\n" + b"--X\r\n\r\n\r\n" * 20_000
    assert read(nested, "example.fi") is None
    assert read(many, "example.fi") is None
    for _ in range(300):
        spoilt = bytearray(good)
        for _ in range(dice.randrange(1, 30)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        bounce = read(bytes(spoilt), "example.fi")
        assert bounce is None or isinstance(bounce[0], UUID)


def test_a_report_that_the_parser_trips_over_is_nothing(monkeypatch):
    def tripped(*_, **__):
        raise IndexError("string index out of range")

    monkeypatch.setattr(bounces, "message_from_bytes", tripped)
    assert read(b"anything", "example.fi") is None


def test_the_standard_library_reads_the_test_s_own_report():
    assert message_from_bytes(report(), policy=SMTP)["To"].addresses[0].domain == "example.fi"


@pytest.fixture
async def folder(pool, tmp_path, issued, as_event, now):
    """A Maildir with a reader, and a ledger whose first mail was handed over and whose second is on its way."""
    decision = decide(None, as_event(issued.model_copy(update={"recipients": issued.recipients[:2]})), None, now)
    first, second = (row.mail_id for row in decision.state.rows)
    outcome = MailOutcome(mail_id=first, state=MailState.HANDED_OVER, answer="250", attempts=1, at=now)
    after = decide(decision.state, Result(first, str(issued.case_id), "mail", outcome), None, now).state
    async with pool.acquire() as connection:
        await LedgerStore().save(connection, [Stored(str(issued.case_id), 0, after)])
    (tmp_path / "new").mkdir()
    return pool, tmp_path, BounceReader(tmp_path, "example.fi", pool, lambda: now), first, second


def about(mail):
    return report(envelope=f"Original-Envelope-Id: {mail}")


async def test_C3_a_bounce_in_the_folder_is_kept_once_and_wakes_its_case(folder, issued):
    pool, maildir, reader, first, _ = folder
    for name in ("1.a", "2.b"):
        (maildir / "new" / name).write_bytes(about(first))
    assert await reader.poll() == []
    rows = await pool.fetch("select case_id, mail_id, wanted, text from notices")
    assert [tuple(row) for row in rows] == [(issued.case_id, first, "bounce", "5.1.1")]
    assert await pool.fetchval("select kind from deadlines") == "notices"
    assert sorted(path.name for path in (maildir / "cur").iterdir()) == ["1.a:2,S", "2.b:2,S"]
    assert await reader.poll() == []


async def test_C3_a_bounce_that_comes_before_its_hand_over_is_recorded_waits(folder):
    pool, maildir, reader, _, second = folder
    (maildir / "new" / "early").write_bytes(about(second))
    await reader.poll()
    assert await pool.fetchval("select count(*) from notices") == 0
    assert (maildir / "new" / "early").exists()


async def test_C3_a_bounce_of_a_mail_that_is_still_tried_does_not_stand_for_the_one_of_its_end(folder, issued):
    pool, maildir, reader, _, second = folder
    (maildir / "new" / "1.old").write_bytes(about(second))
    os.utime(maildir / "new" / "1.old", (0, 0))
    await reader.poll()
    assert list((maildir / "new").iterdir()) == []
    await pool.execute(
        "update mails set state = 'handed-over', answer = '250', attempts = 1, settled_at = planned_at"
        " where mail_id = $1",
        second,
    )
    (maildir / "new" / "2.end").write_bytes(about(second))
    assert await pool.fetchval("select count(*) from deadlines") == 0
    await reader.poll()
    assert await pool.fetchval("select kind from deadlines") == "notices"


async def test_C3_reports_that_wait_or_cannot_be_read_hold_up_no_others_and_no_processor(folder, monkeypatch):
    pool, maildir, reader, first, second = folder
    for number in range(200):
        (maildir / "new" / f"1.{number}").write_bytes(about(second))
    (maildir / "new" / "2.theirs").write_bytes(about(first))
    (maildir / "new" / "3.ours").write_bytes(about(first))
    monkeypatch.setattr(bounce_reader, "_read", unless("2.theirs", bounce_reader._read))
    running = asyncio.create_task(reader.run(lambda: None))
    rests = asyncio.Event()

    async def rest(_seconds):
        rests.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(bounce_reader.asyncio, "sleep", rest)
    async with asyncio.timeout(120):
        await rests.wait()
    running.cancel()
    assert await pool.fetchval("select count(*) from notices") == 1
    assert len(list((maildir / "new").iterdir())) == 201


def unless(name, read):
    """Reads as before, but for one file, which is somebody else's."""

    def tried(path):
        if path.name == name:
            raise PermissionError
        return read(path)

    return tried


async def test_what_is_no_bounce_of_ours_is_put_away(folder):
    pool, maildir, reader, _, _ = folder
    for name, content in (("holiday", b"Subject: x\r\n\r\nAway."), ("stranger", about(MAIL)), ("huge", b"x" * 300_000)):
        (maildir / "new" / name).write_bytes(content)
    await reader.poll()
    assert await pool.fetchval("select count(*) from notices") == 0
    assert list((maildir / "new").iterdir()) == []


async def test_E3_a_report_that_was_read_is_deleted_90_days_after_it_came(folder, monkeypatch):
    _, maildir, reader, first, _ = folder
    for days in (89, 91):
        path = maildir / "new" / f"{days}.days"
        path.write_bytes(about(first))
        os.utime(path, (time.time() - days * 86_400,) * 2)
    assert await reader.poll() == []
    assert [path.name for path in (maildir / "cur").iterdir()] == ["89.days:2,S"]
    monkeypatch.setattr(bounce_reader, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(Path, "unlink", unless("89.days:2,S", Path.unlink))
    assert [type(fault) for fault in await reader.poll()] == [PermissionError]


async def test_a_folder_that_is_not_there_yet_is_empty(pool, tmp_path, now):
    assert await BounceReader(tmp_path, "example.fi", pool, lambda: now).poll() == []


async def test_C3_a_reader_of_bounces_that_dies_does_so_where_it_is_noticed(tmp_path, monkeypatch, now):
    async def dies(_):
        raise asyncio.CancelledError

    monkeypatch.setattr(BounceReader, "poll", dies)
    async with asyncio.timeout(120):
        with pytest.raises(UnexpectedCancellation):
            async with background(BounceReader(tmp_path, "example.fi", AsyncMock(), lambda: now).run(lambda: None)):
                await asyncio.Event().wait()


async def test_F6_no_report_is_read_or_too_old_while_the_clock_is_wrong(tmp_path, monkeypatch, now):
    """By a clock that is a year ahead, all that operators still look at would be deleted."""
    reader, rights, polls = BounceReader(tmp_path, "example.fi", AsyncMock(), lambda: now), [False, False, True], []
    read = asyncio.Event()

    def require_clock() -> None:
        polls.append(is_right := rights.pop(0) if rights else True)
        if not is_right:
            raise ClockWrong

    async def poll() -> list[Exception]:
        read.set()
        return []

    reader.poll = poll  # type: ignore[method-assign]
    monkeypatch.setattr(bounce_reader, "POLL_SECONDS", 0.0)
    async with asyncio.timeout(60), background(reader.run(require_clock)):
        await read.wait()
    assert polls[:3] == [False, False, True]


async def test_the_reader_ends_with_its_cancellation_also_where_a_client_swallowed_it(tmp_path: Path) -> None:
    """Else its worker waits for it when it stops."""
    reader = BounceReader(tmp_path, "example.fi", AsyncMock(), lambda: datetime.now(UTC))

    async def deaf() -> list[Exception]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError from None
        raise AssertionError

    reader.poll = deaf  # type: ignore[method-assign]
    async with asyncio.timeout(60):
        await assert_cancelled(reader.run(lambda: None))
