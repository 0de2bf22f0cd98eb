"""The notifier's handler, from an event to intents: FastStream's test broker, a real database, no Kafka."""

from uuid import uuid4

import pytest
from servicecert_notifier import service
from servicecert_notifier.settings import Settings
from servicecert_schemas.certificate import CertificateIssued
from servicecert_worker.storage import QUERIES
from services.handler import example, handling
from services.notifier.sample_mails import AUTHORITY


@pytest.fixture
async def notifier(pool):
    settings = Settings(smtp_host="127.0.0.1", smtp_port=1, servicecert_authority_file=AUTHORITY)
    async with handling(service, settings, pool) as handler:
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


@pytest.mark.parametrize("name", ["adopt", "own"])
async def test_I9_the_order_of_a_mail_is_stored_once_and_whole_for_who_does_it(notifier, pool, name):
    await notifier.handle(example(CertificateIssued))
    orders = {row["data"] for row in await pool.fetch("select data from orders")}
    intended = await pool.fetch("select data, owner from intents")
    assert len(intended) == len(orders)
    assert all(len(row["data"]) == len(str(uuid4())) for row in intended)
    (owner,) = {row["owner"] for row in intended}
    taken = await pool.fetch(QUERIES[name], *((1, owner, 100, ["mail"]) if name == "adopt" else (owner, [])))
    assert {row["data"] for row in taken} == orders
    # The last release's turns set nothing, and it reads its own intents as they are.
    again = "insert into intents select gen_random_uuid(), key, kind, data, traceparent, 2, since from intents"
    await pool.execute(again)
    assert {row["data"] for row in await pool.fetch("select data from intents where owner = 2")} == orders
