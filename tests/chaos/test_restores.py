"""I1 to I4, I8, I9 while the database is restored again and again to an earlier moment: see `restores`.

RESTORES in the environment is the number of restores. And while a replica that is ten seconds behind takes over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import SETTINGS
from servicecert_launcher import Parts, start_parts

from chaos.customers import Customers
from chaos.plan import draw
from chaos.report import findings
from chaos.restores import run_with_failover, run_with_restores
from chaos.testbed import open_testbed

RESTORES = int(os.environ.get("RESTORES", "3"))
SEED = 5


@pytest.fixture
def own_parts() -> Iterator[Parts]:
    """A database server of its own: its data are replaced."""
    with start_parts(settings=SETTINGS, environment={}) as started:
        yield started


@pytest.mark.long
async def test_I1_I2_I3_I4_I8_I9_F7_a_restored_database_is_brought_forward_to_what_was_lost(
    own_parts: Parts, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    plan = draw(SEED, 40 * RESTORES, ["none"], faults=4 * (RESTORES + 1), pause=0.6)
    (tmp_path / "bounces" / "new").mkdir(parents=True)
    bounces = {"SERVICECERT_BOUNCE_MAILDIR": str(tmp_path / "bounces")}
    async with open_testbed(
        tmp_path, own_parts, authority=authority, customers=known_customers, environment=bounces
    ) as testbed:
        verdict, restored = await run_with_restores(testbed, plan, RESTORES, SEED)
        assert not list(findings(verdict))
        assert not restored.mailed_again(testbed)
        assert not restored.differences
        assert any("It is stored" in said for words in restored.words for said in words.values())


@pytest.mark.long
async def test_I1_I2_I3_I4_I8_I9_F7_running_workers_end_before_a_replica_that_lags_and_it_is_brought_forward(
    own_parts: Parts, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    plan = draw(SEED, 120, ["none"], faults=12, pause=1.5)
    async with open_testbed(tmp_path, own_parts, authority=authority, customers=known_customers) as testbed:
        verdict, restored, seconds = await run_with_failover(testbed, plan, behind=10.0)
        assert not list(findings(verdict))
        assert not restored.mailed_again(testbed)
        print("Seconds until each worker had ended:", seconds)
