"""The issuer's handler, from an event to what it intends: FastStream's test broker, a real database, no Kafka."""

import pytest
from servicecert_issuer import service
from servicecert_issuer.settings import Settings
from servicecert_schemas.certificate import ApplicationAccepted
from services.handler import example, handling


@pytest.fixture
async def issuer(service_pool, authority, passphrase_file):
    settings = Settings(
        SERVICECERT_CA_DIR=authority.directory,
        SERVICECERT_CA_PASSPHRASE_FILE=passphrase_file,
        SERVICECERT_CRL_BASE_URL="http://127.0.0.1:1",
    )
    async with handling(service, settings, await service_pool("issuer", service.MIGRATIONS)) as handler:
        yield handler


async def test_I4_an_accepted_application_becomes_an_intent_to_sign(issuer):
    await issuer.handle(example(ApplicationAccepted))
    assert await issuer.intents() == ["sign"]
    assert await issuer.published() == []


async def test_I2_I3_an_application_that_comes_twice_is_signed_once(issuer):
    application = example(ApplicationAccepted)
    await issuer.handle(application, application)
    assert await issuer.intents() == ["sign"]
