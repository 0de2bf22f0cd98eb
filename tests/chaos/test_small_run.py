"""I1 to I9 with injected faults: a small run of what `make chaos` does."""

from __future__ import annotations

from pathlib import Path

import pytest
from servicecert_cli.stand.system import OCSP, worker_names
from servicecert_launcher import Parts
from servicecert_schemas.topics import SERVICES

from chaos.customers import Customers
from chaos.plan import FaultKind, draw, fault_count
from chaos.report import findings
from chaos.run import run
from chaos.testbed import open_testbed

APPLICATIONS, SEED = 120, 7


@pytest.mark.long
async def test_I1_I2_I3_I4_I6_I7_I8_I9_nothing_is_lost_or_doubled_whatever_dies(
    parts: Parts, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    processes = [OCSP, *(name for service in SERVICES for name in worker_names(service, 2))]
    plan = draw(SEED, APPLICATIONS, processes, fault_count(APPLICATIONS))
    async with open_testbed(tmp_path, parts, workers=2, authority=authority, customers=known_customers) as testbed:
        outcome = await run(testbed, plan)
    assert not list(findings(outcome.verdict))
    assert set(outcome.faults) == set(FaultKind)
    assert not outcome.unexpected_exits
