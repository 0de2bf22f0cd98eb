"""I1 to I9 under harm, as `make chaos` proves them at length."""

from __future__ import annotations

from pathlib import Path

from servicecert_cli.stand.system import OCSP, worker_names
from servicecert_deploy import Parts
from servicecert_schemas.topics import SERVICES

from chaos.customers import Customers
from chaos.plan import Blow, blows_for, draw
from chaos.run import run
from chaos.scene import opened
from chaos.telling import findings

APPLICATIONS, SEED = 120, 7


async def test_I1_I2_I3_I4_I6_I7_I8_I9_nothing_is_lost_or_doubled_whatever_dies(
    parts: Parts, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    processes = [OCSP, *(name for service in SERVICES for name in worker_names(service, 2))]
    plan = draw(SEED, APPLICATIONS, processes, blows_for(APPLICATIONS))
    async with opened(tmp_path, parts, workers=2, authority=authority, known=known_customers) as scene:
        outcome = await run(scene, plan)
    assert not list(findings(outcome.verdict))
    assert set(outcome.blows) == set(Blow)
    assert not outcome.unasked
