"""The issuer's handler, from an event to what it intends: FastStream's test broker, a real database, no Kafka."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from identities import Identities
from servicecert_issuer import service
from servicecert_issuer.settings import Settings
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIntended
from servicecert_schemas.codec import Record, to_record
from servicecert_worker.core.signatures import Signer
from services.handler import example, handling
from toy.stand import eventually


@pytest.fixture
async def issuer(service_pool, authority, passphrase_file):
    settings = Settings(
        SERVICECERT_CA_DIR=authority.directory,
        SERVICECERT_CA_PASSPHRASE_FILE=passphrase_file,
    )
    async with handling(service, settings, await service_pool("issuer", service.MIGRATIONS)) as handler:
        yield handler


async def test_I4_an_accepted_application_becomes_an_intent_to_sign_that_is_published(issuer):
    await issuer.handle(example(ApplicationAccepted))
    assert await issuer.intents() == ["sign"]
    (event,) = await issuer.published()
    assert isinstance(event, CertificateIntended)


async def test_I2_I3_an_application_that_comes_twice_is_signed_once(issuer):
    application = example(ApplicationAccepted)
    await issuer.handle(application, application)
    assert await issuer.intents() == ["sign"]


def forgery(identities: Identities, application: ApplicationAccepted, how: str) -> Record:
    """Return an accepted application as somebody publishes it who may write to the topic, without intake's key."""
    record = to_record(application, source="/intake", id=uuid4(), time=datetime.now(UTC))
    genuine = identities.signer("intake").signed(record)
    match how:
        case "unsigned":
            return record
        case "signed by another service":
            return identities.signer("notifier").signed(record)
        case "signed by a key of its own":
            return Signer("intake", Ed25519PrivateKey.generate()).signed(record)
        case "the signature of another case":
            other = application.model_copy(update={"case_id": uuid4()})
            moved = to_record(other, source="/intake", id=uuid4(), time=datetime.now(UTC))
            return replace(moved, headers=[*moved.headers, genuine.headers[-1]])
    assert how == "another name in the certificate"
    return replace(genuine, value=genuine.value.replace(b"kanta.", b"kantb."))


@pytest.mark.parametrize(
    "how",
    [
        "unsigned",
        "signed by another service",
        "signed by a key of its own",
        "the signature of another case",
        "another name in the certificate",
    ],
)
async def test_F2_who_writes_to_accepted_applications_without_intake_s_key_gets_nothing(issuer, how):
    await issuer.handle_record(forgery(issuer.identities, example(ApplicationAccepted), how))
    assert await issuer.intents() == []
    assert await issuer.parked() == ["unsigned" if how == "unsigned" else "wrong-signature"]
    assert await issuer.untrusted() == 1


async def test_F2_a_forgery_with_the_id_and_case_of_a_genuine_event_suppresses_nothing(issuer):
    record = to_record(example(ApplicationAccepted), source="/intake", id=uuid4(), time=datetime.now(UTC))
    await issuer.handle_record(record)
    await issuer.handle_record(issuer.identities.signed(record))
    assert await issuer.intents() == ["sign"]
    assert await issuer.parked() == ["unsigned"]


async def test_F2_I1_I2_what_was_signed_before_its_key_was_pinned_is_replayed_once_it_is(issuer, tmp_path):
    new = Identities(tmp_path / "new")
    id = uuid4()
    record = to_record(example(ApplicationAccepted), source="/intake", id=id, time=datetime.now(UTC))
    await issuer.handle_record(new.signed(record))
    await issuer.replay()
    await eventually(lambda: issuer.attempts(2))
    assert await issuer.parked() == ["wrong-signature"]
    (new.folder / "intake.pub").rename(issuer.identities.folder / "intake-2027.pub")
    await issuer.replay()
    await eventually(lambda: issuer.attempts(0))
    assert await issuer.intents() == ["sign"]
    assert await issuer.handled_ids() == {id}


async def test_F2_I3_a_second_application_for_a_case_is_an_alarm_and_a_copy_of_the_first_is_not(issuer):
    first = example(ApplicationAccepted)
    await issuer.handle(first, first)
    assert await issuer.parked() == []
    await issuer.handle(first.model_copy(update={"due": first.due + timedelta(days=1)}))
    assert await issuer.intents() == ["sign"]
    assert await issuer.parked() == ["second-application"]


async def test_F6_an_issuer_intends_nothing_by_a_wrong_clock(issuer):
    await issuer.decides_nothing_by_a_wrong_clock(example(ApplicationAccepted))
    assert await issuer.intents() == ["sign"]
