"""The notifier's handler, from an event to intents: FastStream's test broker, a real database, no Kafka."""

import pytest
from servicecert_notifier import service
from servicecert_notifier.settings import Settings
from servicecert_schemas.certificate import CertificateIssued
from services.handler import example, handling
from services.notifier.sample_mails import AUTHORITY


@pytest.fixture
async def notifier(service_pool):
    settings = Settings(smtp_host="127.0.0.1", smtp_port=1, servicecert_authority_file=AUTHORITY)
    async with handling(service, settings, await service_pool("notifier", service.MIGRATIONS)) as handler:
        yield handler


async def test_C1_an_issued_certificate_is_mailed_to_each_recipient(notifier):
    certificate = example(CertificateIssued)
    await notifier.handle(certificate)
    assert len(await notifier.intents()) == len(certificate.recipients)


async def test_I2_C1_an_event_that_comes_twice_is_mailed_once(notifier):
    certificate = example(CertificateIssued)
    await notifier.handle(certificate, certificate)
    assert len(await notifier.intents()) == len(certificate.recipients)


async def test_F6_the_notifier_writes_no_mail_by_a_wrong_clock(notifier):
    await notifier.decides_nothing_by_a_wrong_clock(example(CertificateIssued))
    assert set(await notifier.intents()) == {"mail"}
