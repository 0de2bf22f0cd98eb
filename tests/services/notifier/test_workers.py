"""C4 on real Kafka, PostgreSQL and SMTP: after weeks of downtime, three workers send the right reminder once."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from certificates import SERIAL
from commandline import begun
from servicecert_cli.connections.kafka import publish
from servicecert_cli.stand.topic_reader import reading_topics
from servicecert_launcher.mail_catcher import MailCatcher
from servicecert_notifier.operator.samples import example
from servicecert_notifier.service import MIGRATIONS, NAME
from servicecert_pki.identity import FICTITIOUS_FILE
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.mail import MailHandedOver, MailKind
from workers import workers_of

pytestmark = pytest.mark.long


@pytest.fixture
async def workers(parts, migrated, tmp_path):
    """Starts workers of the notifier with a clock that runs ahead."""
    async with MailCatcher() as mails, workers_of(NAME, MIGRATIONS, parts, migrated, tmp_path) as workers:

        def start(ahead=timedelta()):
            return workers.start(
                SERVICECERT_CLOCK_AHEAD=f"{ahead.total_seconds():.0f}",
                SMTP_HOST=mails.host,
                SMTP_PORT=str(mails.port),
                SMTP_TLS="off",
                SERVICECERT_AUTHORITY_FILE=str(FICTITIOUS_FILE),
            )

        yield workers.cluster, start, workers.identities.signer("issuer")


async def test_C4_after_weeks_of_downtime_the_right_reminders_come_once(workers, certified):
    cluster, start, signer = workers
    now = datetime.now(UTC).replace(microsecond=0)
    end = now + timedelta(days=365)
    issued = example(CertificateIssued)
    due = now + timedelta(days=5)
    kept, renewed = (
        certified(
            issued.model_copy(update={"case_id": uuid4(), "account_id": f"account-{number}", "due": due}),
            serial=SERIAL + number,
            not_before=now,
            not_after=end,
        )
        for number in range(2)
    )
    follower = certified(
        renewed.model_copy(update={"case_id": uuid4()}),
        serial=SERIAL + 2,
        not_before=end - timedelta(days=40),
        not_after=end + timedelta(days=300),
    )
    everybody = len(issued.recipients)

    def handed_over(data):
        """The number of mails handed over, by kind. A topic may hold an event twice if a worker stops in between."""
        return Counter(
            {each.mail_id: each.kind for each in witness.events_of_case(data.case_id, MailHandedOver)}.values()
        )

    async with asyncio.timeout(300), reading_topics(cluster) as witness:
        first = start()
        await publish(cluster, kept, renewed, signer=signer)
        await witness.until(
            MailHandedOver, lambda _: handed_over(kept).total() + handed_over(renewed).total() == 2 * everybody
        )
        assert first.stop(60) == 0
        # Down since before the first reminder; the 60 days' and the 30 days' are over.
        late = [start(timedelta(days=365 - 25)) for _ in range(3)]
        await begun(late)
        await publish(cluster, follower, signer=signer)
        await witness.until(MailHandedOver, lambda _: handed_over(kept)[MailKind.EXPIRES_IN_30_DAYS] == everybody)
        await witness.until(MailHandedOver, lambda _: handed_over(follower)[MailKind.CERTIFICATE_ISSUED] == everybody)
        assert [worker.stop(60) for worker in late] == [0, 0, 0]
        last = start(timedelta(days=365 - 6))
        await witness.until(MailHandedOver, lambda _: handed_over(kept)[MailKind.EXPIRES_IN_7_DAYS] == everybody)
        assert last.stop(60) == 0
        assert handed_over(kept) == dict.fromkeys(
            (MailKind.CERTIFICATE_ISSUED, MailKind.EXPIRES_IN_30_DAYS, MailKind.EXPIRES_IN_7_DAYS), everybody
        )
        assert handed_over(renewed)[MailKind.EXPIRES_IN_7_DAYS] == 0, "a successor was issued meanwhile"
