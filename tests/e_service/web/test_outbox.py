"""What a customer sent is stored before Kafka has it, and sent until it is acknowledged."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from browsers import SERVER
from portal.database import Database
from portal.outbox import Outbox
from servicecert_schemas import ApplicationSubmitted, decode

PENDING = "på väg till myndigheten"


class Broker:
    """A broker that fails so many times, before or after it has the record."""

    def __init__(self, failures=0, has_it=False):
        self.failures, self.has_it, self.records = failures, has_it, []

    async def publish(self, record):
        if self.failures:
            self.failures -= 1
            if self.has_it:
                self.records.append(record)
            raise ConnectionError
        self.records.append(record)


async def test_what_is_sent_while_the_broker_is_down_is_on_its_way(site, colleague):
    case = await colleague.apply(await colleague.open_account("9900001-8"))
    assert PENDING in colleague.text
    broker = Broker(failures=3)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await site.portal.outbox.send_all(broker.publish)
    assert PENDING in (await colleague.get(f"/sv/cases/{case}")).text
    await site.portal.outbox.send_all(broker.publish)
    assert PENDING not in (await colleague.get(f"/sv/cases/{case}")).text


async def test_every_record_is_one_that_the_authority_reads(site, colleague):
    account = await colleague.open_account("9900001-8")
    await colleague.apply(account)
    for record in await site.publish():
        envelope, data = decode(record.topic, record.key, record.headers, record.value)
        assert envelope.source == "/e-service"
        assert envelope.id.version == 4
        assert data.actor.account_id == account
    assert isinstance(data, ApplicationSubmitted)
    assert data.form.names.dns == (SERVER["names.dns"],)


async def test_a_record_whose_acknowledgement_was_lost_is_sent_again_as_it_was(site, colleague):
    await colleague.open_account("9900001-8")
    broker = Broker(failures=2, has_it=True)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await site.portal.outbox.send_all(broker.publish)
    await site.portal.outbox.send_all(broker.publish)
    first, second, third = broker.records
    assert first == second == third


async def test_records_go_in_the_order_of_what_was_done(site, colleague):
    account = await colleague.open_account("9900001-8")
    first = await colleague.apply(account)
    second = await colleague.apply(account, once="2")
    await colleague.get(f"/sv/cases/{first}")
    await colleague.post(f"/sv/cases/{first}", {"act": "withdraw"})
    keys = [record.key.decode() for record in await site.publish()]
    assert keys == [account, first, second, first]


async def test_what_was_stored_is_sent_by_the_next_process(site, colleague, tmp_path):
    await colleague.open_account("9900001-8")
    async with Database.open(tmp_path / "portal.sqlite") as database:
        broker = Broker()
        await Outbox(database, lambda _: None).send_all(broker.publish)
    assert [record.topic for record in broker.records] == ["accounts"]
    assert await site.publish() == []


async def test_after_a_loss_of_kafka_accounts_and_what_was_sent_since_are_sent_again_as_they_were(site, colleague):
    account = await colleague.open_account("9900001-8")
    await colleague.apply(account)
    first = list(await site.publish())
    assert await site.portal.outbox.send_again(datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert await site.publish() == [*first, first[0]]
    assert await site.portal.outbox.send_again(datetime.now(UTC) - timedelta(minutes=1)) == 2
    assert await site.publish() == [*first, first[0], *first]


@pytest.mark.parametrize(
    "step", ["before it is stored", "before it is sent", "while it is sent", "before it is marked"]
)
def test_F5_killed_at_any_step_it_sends_each_event_once_in_effect(tmp_path, step):
    """The customer, who got no answer, sends the same form to the next process."""
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for wanted, code in (([step], -signal.SIGKILL), ([], 0), ([], 0)):
        assert subprocess.run([*program, *wanted], env=environment).returncode == code
    sent = (tmp_path / "sent").read_text().splitlines()
    assert {line.split()[0] for line in sent} == {"account.opened", "application.submitted"}
    assert len(set(sent)) == 2
    assert len(sent) == (3 if step == "before it is marked" else 2)


async def test_what_is_sent_later_wakes_the_task(site, colleague):
    arrived = asyncio.Event()

    async def publish(_):
        arrived.set()

    task = asyncio.create_task(site.portal.outbox.run(publish))
    await colleague.open_account("9900001-8")
    async with asyncio.timeout(10):
        await arrived.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_application_is_stored_with_its_event_or_not_at_all(site, colleague, monkeypatch):
    account = await colleague.open_account("9900001-8")
    monkeypatch.setattr("portal.outbox.record_of", lambda *_, **__: 1 / 0)
    path = f"/sv/accounts/{account}/apply/server/care-provider"
    await colleague.get(path)
    assert (await colleague.post(path, SERVER)).status_code == 500
    assert await site.portal.database.rows("SELECT * FROM applications") == []


async def test_D4_the_request_counts_from_when_the_user_sent_it(site, colleague):
    account = await colleague.open_account("9900001-8")
    case = await colleague.apply(account)
    await site.show(case, account, 1, "delivered", revocation=None)
    await colleague.get(f"/sv/cases/{case}/revocation")
    before = datetime.now(UTC)
    fields = {"serial": " SERIAL=4D:8A ", "reason": "key-exposed", "since": "2026-11-01T10:00", "email": "a@b.fi"}
    await colleague.post(f"/sv/cases/{case}/revocation", {**fields, "act": "send"})
    record = (await site.publish())[-1]
    envelope, data = decode(record.topic, record.key, record.headers, record.value)
    assert before <= data.sent_at <= datetime.now(UTC)
    assert envelope.id == data.request_id
    assert data.case_id == UUID(case)
    assert data.serial_as_typed == "SERIAL=4D:8A"
    assert data.exposed_since == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert (data.notify.email, data.notify.language) == ("a@b.fi", "sv")
