"""I4: what is announced before a certificate is signed makes the intent again, and the table knows it."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from servicecert_issuer.domain.events import announcement
from servicecert_issuer.domain.examine import IssuingContext
from servicecert_issuer.domain.issuance import Intended, Linted, SigningOrder
from servicecert_issuer.effects.sign import Announce
from servicecert_issuer.storage.store import announced, states
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIntended
from servicecert_worker.core.decider import Event, Task
from services.issuer.harness import IssuerHarness, Pool

Intend = Callable[..., Intended]
Accepted = Callable[..., ApplicationAccepted]


def test_I4_the_announcement_and_the_application_make_the_intent_again(intend: Intend, accepted: Accepted) -> None:
    intended, application = intend(), accepted()
    told = announcement(str(application.case_id), SigningOrder.of(intended), intended)
    assert told is not None
    linted = Linted(
        issuer=told.issuer,
        serial=told.serial,
        tbs=b64decode(told.tbs),
        profile=told.profile,
        profile_version=told.profile_version,
        partition=told.partition,
        not_before=told.not_before,
        not_after=told.not_after,
        key_sha256=told.key_sha256,
        business_id=told.business_id,
    )
    assert replace(intended, linted=linted, sign_by=told.sign_by) == intended
    assert told.application_sha256 == application.application_sha256


def test_I4_nothing_is_announced_that_the_table_does_not_intend(intend: Intend, accepted: Accepted) -> None:
    intended, key = intend(), str(accepted().case_id)
    order = SigningOrder.of(intended)
    assert announcement(key, order, None) is None
    assert announcement(key, order.model_copy(update={"tbs": b"other"}), intended) is None
    assert announcement(key, order.model_copy(update={"issuer": "other"}), intended) is None
    # An order of an earlier version has no deadline.
    assert announcement(key, order.model_copy(update={"sign_by": None}), intended) is not None


@pytest.fixture
def harness(pool: Pool, context: IssuingContext, ca_keys: Mapping[str, SigningKey]) -> IssuerHarness:
    return IssuerHarness(pool, context, ca_keys)


async def test_I4_the_table_knows_its_announcements_and_no_other(harness: IssuerHarness, accepted: Accepted) -> None:
    application = accepted(case_id=uuid4())
    await harness.happen(application)
    (task,) = harness.tasks
    announce = Announce(lambda keys: states(harness.pool, keys))
    (told,) = await announce([task])
    assert isinstance(told, CertificateIntended)
    assert await known(harness, task, told) == {task.id}
    for change in ({"serial": "4a02"}, {"tbs": "AAAA"}, {"case_id": uuid4()}):
        assert await known(harness, task, told.model_copy(update=change)) == set()
    assert await known(harness, task, application) == set()
    await harness.finish()
    assert await announce([task]) == [None], "an ended intent is not announced"
    assert await known(harness, task, told) == {task.id}


async def known(harness: IssuerHarness, task: Task, data: Any) -> set[Any]:
    """Return the ids of the announcements that the table knows, of one with this data."""
    event = Event(task.id, data.key(), data, harness.now - timedelta(seconds=1))
    return await announced(harness.pool.fetch, [event])
