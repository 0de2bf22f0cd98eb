"""C3, I9: a notifier that is killed under backlog doubles at most one mail for each of its conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from recycling import Migrated
from servicecert_cli.connections.kafka import publish
from servicecert_launcher import Parts
from servicecert_notifier.operator.samples import example
from servicecert_notifier.service import MIGRATIONS, NAME
from servicecert_pki.identity import FICTITIOUS_FILE
from servicecert_schemas.certificate import CertificateIssued
from workers import workers_of

from chaos.observers import MailServer

CERTIFICATES = 150
CONVERSATIONS = 3
KILLED_AT = (40, 90, 140, 200)
"""How many mails the server has when a notifier is killed. It decides all of them in its first turns."""


def _backlog(certified: Callable[..., CertificateIssued]) -> list[CertificateIssued]:
    now = datetime.now(UTC).replace(microsecond=0)
    issued = certified(
        example(CertificateIssued),
        not_before=now,
        not_after=now + timedelta(days=365),
    )
    fresh = {"due": now + timedelta(days=5), "recipients": issued.recipients[:2]}
    return [issued.model_copy(update={**fresh, "case_id": uuid4()}) for _ in range(CERTIFICATES)]


@pytest.mark.long
async def test_C3_I9_a_notifier_killed_under_backlog_doubles_no_more_mails_than_it_has_conversations(
    parts: Parts, migrated: Callable[..., Migrated], certified: Callable[..., CertificateIssued], tmp_path: Path
) -> None:
    mail_server = MailServer()
    doubled: list[int] = []

    def received() -> int:
        return sum(mail.times for mail in mail_server.mails.values())

    async with (
        workers_of(NAME, MIGRATIONS, parts, migrated, tmp_path) as workers,
        mail_server.serving() as server,
        asyncio.timeout(300),
    ):
        await publish(workers.cluster, *_backlog(certified), signer=workers.identities.signer("issuer"))
        environment = {
            **server,
            "SMTP_TLS": "off",
            "SMTP_CONNECTIONS": str(CONVERSATIONS),
            "SERVICECERT_AUTHORITY_FILE": str(FICTITIOUS_FILE),
        }
        for number, mails in enumerate((*KILLED_AT, 2 * CERTIFICATES)):
            notifier = workers.start(**environment)
            try:
                while received() - sum(doubled) < mails:
                    assert notifier.alive, notifier.tail(5)
                    await asyncio.sleep(0.001)
                if mails == 2 * CERTIFICATES:
                    await _settled(workers.url)
            finally:
                notifier.kill()
            doubled = [mail.times - 1 for mail in mail_server.mails.values()]
            assert sum(doubled) <= len(KILLED_AT[: number + 1]) * CONVERSATIONS
    assert len(mail_server.mails) == 2 * CERTIFICATES
    assert {tuple(map(len, mail.texts.values())) for mail in mail_server.mails.values()} == {(1,)}


async def _settled(url: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"search_path": NAME})
    try:
        handed_over = "select count(*) from mails where state = 'handed-over'"
        while await connection.fetchval(handed_over) < 2 * CERTIFICATES:  # noqa: ASYNC110  -- rows have no event
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
