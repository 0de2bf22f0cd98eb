"""The revoker's handler with FastStream's test broker and a real database: from an event to its outcome."""

import pytest
from servicecert_revoker import service
from servicecert_revoker.settings import Settings
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import Standing, StandingChanged
from services.handler import example, handling


@pytest.fixture
async def revoker(service_pool, authority, passphrase_file, tmp_path):
    settings = Settings(
        SERVICECERT_CA_DIR=authority.directory,
        SERVICECERT_CA_PASSPHRASE_FILE=passphrase_file,
        SERVICECERT_CRL_BASE_URL="http://127.0.0.1:1",
        SERVICECERT_CRL_DIR=tmp_path / "crl",
    )
    async with handling(service, settings, await service_pool("revoker", service.MIGRATIONS)) as handler:
        yield handler


async def test_I7_a_certificate_that_is_issued_is_told_to_responders_as_valid(revoker):
    certificate = example(CertificateIssued)
    await revoker.handle(certificate)
    (standing,) = await revoker.published()
    assert isinstance(standing, StandingChanged)
    assert (standing.serial, standing.standing) == (certificate.serial, Standing.VALID)
    assert await revoker.intents() == []
