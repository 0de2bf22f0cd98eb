"""One trace for each application, from its submission to the mail, and one for each revocation, to the fetched CRL."""

from __future__ import annotations
from pathlib import Path
from collections.abc import AsyncIterator
import asyncio
import pytest, pytest_asyncio
from otlp_collector import Collector, collecting
from servicecert_cli.stand.system import System
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import CertificateRevoked, RevocationReason
from servicecert_schemas.values import CertificateType
from servicecert_worker.domain import traces
from journeys.client import CustomerClient, applicant, connected_client

pytestmark = pytest.mark.asyncio(loop_scope="module")

@pytest.fixture(scope="module")
def collector():
    with collecting() as it:
        yield it

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(parts, identities, authority, known_customers, tmp_path_factory, collector):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    async with (
        System(tmp_path_factory.mktemp("traces"), parts=parts, authority=authority, identities=identities, environment=env) as system,
        connected_client(system, known_customers) as client,
    ):
        yield client

def show(spans):
    def p(parent, d):
        for s in spans:
            if s.parent == parent:
                print("  "*d, s.service, s.name, s.kind, f"{(s.ended-s.began)/1e6:.1f}ms", s.attributes.get("servicecert.outcome"), s.attributes.get("servicecert.event.type"), s.attributes.get("servicecert.state"), s.attributes.get("servicecert.outbox_seconds"))
                p(s.id, d+1)
    p("", 0)
    ids = {s.id for s in spans}
    print("orphans", [(s.service, s.name) for s in spans if s.parent and s.parent not in ids])

async def test_it(client, collector):
    type = CertificateType.SERVER
    case_id = await client.apply(type)
    await client.view(case_id, CaseState.DELIVERED)
    await asyncio.sleep(4)
    t = traces.trace_of(traces.root(str(case_id), sampled=True))
    show(collector.trace(t))
    issued = await client.latest(case_id, CertificateIssued)
    req = applicant(type).revocation(case_id, issued.serial, RevocationReason.KEY_EXPOSED)
    await client.send(req)
    await client.latest(case_id, CertificateRevoked)
    await asyncio.sleep(4)
    show(collector.trace(traces.trace_of(traces.root(req.own_trace(), sampled=True))))
    print(len(collector.spans), collector.arrivals, {s.trace for s in collector.spans.values()})
    for s in list(collector.spans.values())[:400]:
        if "crl" in s.name or "publish" in s.name: print(s)
