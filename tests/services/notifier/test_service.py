"""The notifier's service."""

import asyncio

from servicecert_notifier.domain.task import MailState, MailTask
from servicecert_notifier.service import NAME, Settings, open_service
from services.notifier.sample_mails import AUTHORITY


async def test_the_service_reads_its_topics_and_hands_mails_over(pool, mail_server, mails):
    async with mail_server() as fake_server:
        settings = Settings(
            smtp_host="127.0.0.1", smtp_port=fake_server.port, smtp_tls="off", servicecert_authority_file=AUTHORITY
        )
        async with open_service(settings, pool) as service:
            assert [topic.name for topic in service.reads] == [
                "certificates",
                "certificate-status",
                "cases",
                "deadlines",
            ]
            assert all(NAME in topic.readers for topic in service.reads)
            effect = service.effects["mail"]
            (task,) = mails(1)
            assert effect.data.model_validate_json(task.data.model_dump_json()) == task.data
            # The clock is the real one here, so the mail's time is over: one try is made all the same.
            (outcome,) = await effect.do([task])
        assert outcome.data.state is MailState.HANDED_OVER
    assert effect.data is MailTask


async def test_C3_a_notifier_that_is_merely_open_reads_no_bounces(pool, tmp_path):
    """A replay opens it, and so does `restore check`: its tables may not know the mail that bounced yet."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "bounce").write_bytes(b"a report")
    settings = Settings(
        smtp_host="127.0.0.1", servicecert_authority_file=AUTHORITY, servicecert_bounce_maildir=tmp_path
    )
    before = asyncio.all_tasks()
    async with open_service(settings, pool) as service:
        assert asyncio.all_tasks() == before
        assert service.oversight.audited == {"authority": settings.whose.digest}
        async with asyncio.timeout(120), service.beside(lambda: None):
            while not (tmp_path / "cur" / "bounce:2,S").exists():  # noqa: ASYNC110  -- the folder is all that tells
                await asyncio.sleep(0)
