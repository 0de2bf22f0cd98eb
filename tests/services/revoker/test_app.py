"""The revoker's handler with FastStream's test broker and a real database: from an event to its outcome."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from servicecert_revoker import service
from servicecert_revoker.settings import Settings
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.codec import to_record
from servicecert_schemas.operators import RecordParked
from servicecert_schemas.revocation import Standing, StandingChanged
from services.handler import example, handling


@pytest.fixture
async def revoker(service_pool, authority, passphrase_file, tmp_path):
    settings = Settings(
        SERVICECERT_CA_DIR=authority.directory,
        SERVICECERT_CA_PASSPHRASE_FILE=passphrase_file,
        SERVICECERT_CRL_DIR=tmp_path / "crl",
    )
    async with handling(service, settings, await service_pool("revoker", service.MIGRATIONS)) as handler:
        yield handler


async def test_I7_a_certificate_that_is_issued_is_told_to_responders_as_valid(revoker, sound):
    await revoker.handle(sound)
    (standing,) = await revoker.published()
    assert isinstance(standing, StandingChanged)
    assert (standing.serial, standing.standing) == (sound.serial, Standing.VALID)
    assert await revoker.intents() == []


@pytest.mark.parametrize("event", [CertificateIssued, CertificateVoided])
@pytest.mark.parametrize("signer", [None, "intake"])
async def test_F2_what_the_issuer_has_not_signed_is_neither_known_nor_revoked(revoker, event, signer):
    record = to_record(example(event), source="/issuer", id=uuid4(), time=datetime.now(UTC))
    forged = record if signer is None else revoker.identities.signer(signer).signed(record)
    await revoker.handle_record(forged)
    assert await revoker.parked() == ["unsigned" if signer is None else "wrong-signature"]
    assert [type(event) for event in await revoker.published()] == [RecordParked]
    assert await revoker.intents() == []


async def test_F6_the_revoker_decides_nothing_by_a_wrong_clock(revoker, sound):
    await revoker.decides_nothing_by_a_wrong_clock(sound)
