"""Kafka is put back to an earlier moment under running services: each stops, says so, and decides nothing more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from chaos.idle import IdleCheck
from journeys.client import PATIENCE_SECONDS, Running
from journeys.test_restored import decided
from servicecert_launcher import Child, Kafka, Parts
from servicecert_schemas.case import CaseState
from servicecert_schemas.topics import SERVICES
from servicecert_schemas.values import CertificateType
from toy.brokers import Copies


@pytest.mark.long
async def test_I1_I13_F7_all_services_stop_when_kafka_is_put_back_under_them(
    running: Running, parts: Parts, own_kafka: Kafka, tmp_path: Path
) -> None:
    apart = replace(parts, bootstrap=own_kafka.bootstrap, kafka=own_kafka)
    async with running(tmp_path, parts=apart, identities=None) as client:
        system = client.system
        await client.view(await client.apply(CertificateType.TEST_SERVER), CaseState.DELIVERED)
        copies = Copies(own_kafka, tmp_path)
        await asyncio.to_thread(copies.take)
        await client.view(await client.apply(CertificateType.TEST_SERVER, number=1), CaseState.DELIVERED)
        await IdleCheck(system).wait()
        before = decided(system)
        await asyncio.to_thread(copies.put_back)
        for service in SERVICES:
            await refused(service, system.children[service])
        for service in SERVICES:
            await refused(service, system.start(service))
        assert decided(system) == before


async def refused(service: str, worker: Child) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while worker.alive:  # noqa: ASYNC110  -- a process ends
            await asyncio.sleep(0.05)
    assert worker.returncode == 65, worker.tail(5)
    assert f"Kafka lacks what {service} has sent to its journal: " in worker.tail(1)
