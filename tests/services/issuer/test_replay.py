"""A replay of the issuer: what was announced is decided again, whatever else was handled afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from conftest import ServicePool
from identities import Identities, any_signer
from servicecert_issuer import service as module
from servicecert_issuer.domain.events import announcement
from servicecert_issuer.domain.issuance import Intended, SigningOrder
from servicecert_issuer.settings import Settings
from servicecert_pki.authority import Authority
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import KeyCompromised
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.published import PublishedEvent, PublishedEvents, announcement_id, intent_id
from servicecert_worker.core.record import Record
from servicecert_worker.replay.replay import Replay, ReplayClock
from servicecert_worker.runtime.turn import Turns

from .conftest import NOW, Accepted


@pytest.mark.parametrize(
    ("recall", "state", "parked"),
    [({}, "intended", []), ({"decided_after": lambda *_: None}, None, ["storing-raised"])],
)
async def test_I3_D6_a_key_that_was_reported_after_its_certificate_was_announced_changes_nothing(
    recall: Mapping[str, Any],
    state: str | None,
    parked: list[str],
    service_pool: ServicePool,
    authority: Authority,
    passphrase_file: Path,
    accepted: Accepted,
    intend: Callable[..., Intended],
    tmp_path: Path,
) -> None:
    """The report was written earlier: only the topics tell. If it comes first all the same, nothing is refused."""
    identities, accepted_id = Identities(tmp_path / "service-keys"), uuid4()
    application = accepted()
    intended = intend(application)

    def record(data: EventData, service: str, id: UUID, at: datetime) -> Record:
        made = identities.signer(service).signed(to_record(data, source=f"/{service}", id=id, time=at))
        return Record(made.topic, 0, 0, made.key, made.headers, made.value, at)

    data = announcement(str(application.case_id), SigningOrder.of(intended), intended)
    id = announcement_id(intent_id(accepted_id, "sign", 0), data.TYPE)
    published = PublishedEvents([PublishedEvent(id, data, NOW + timedelta(hours=1))])
    report = KeyCompromised(key_sha256=intended.linted.key_sha256, known_at=NOW)
    partitions = [
        [record(application, "intake", accepted_id, NOW)],
        [record(report, "revoker", uuid4(), NOW + timedelta(minutes=10))],
    ]
    settings = Settings(
        SERVICECERT_CA_DIR=authority.directory,
        SERVICECERT_CA_PASSPHRASE_FILE=passphrase_file,
        SERVICECERT_CRL_BASE_URL="http://127.0.0.1:1",
    )
    pool, clock, chain = await service_pool("issuer", module.MIGRATIONS), ReplayClock(), Chain("issuer", {}, os.urandom)
    await chain.begin(pool, NOW)
    async with module.open_service(settings, pool, clock) as service:
        changed = replace(service, recall=replace(service.recall, **recall))

        def turns(replayed: Any) -> Turns[Any, Any]:
            return Turns(replayed, pool, chain, any_signer("issuer"))

        await Replay(changed, pool, turns, identities.verifier(), clock, None, published).run(partitions)
    assert await pool.fetchval("select state::text from certificates") == state
    assert [row["reason"] for row in await pool.fetch("select reason from parked")] == parked
    assert await pool.fetch("select from outbox where type like '%refused%'") == []
    assert await pool.fetchval("select count(*) from intents") == (state == "intended")
