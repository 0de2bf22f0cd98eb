"""A scene on which a plan was played without harm, by two workers of each service that take different turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from chaos.customers import Customers
from chaos.plan import Case, Plan, draw
from chaos.quiet import Quiet
from chaos.scene import Scene, opened
from chaos.verdict import Verdict, judge
from servicecert_deploy import Parts
from servicecert_schemas.topics import SERVICES

CASES, SEED = 60, 11


@dataclass(frozen=True)
class Played:
    """What was planned, where it was played, and what came of it. `cases` are those of later plans too."""

    plan: Plan
    scene: Scene
    verdict: Verdict
    cases: list[Case]

    async def judged(self, more: Plan) -> Verdict:
        """The judgement over all cases, with those of another plan that is sent and come to rest."""
        await Quiet(self.scene.system, self.scene.traffic).wait()
        self.cases.extend(more.cases)
        return judge(self.cases, await self.scene.evidence())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(
    parts: Parts, authority: Path, known_customers: Customers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    """Two workers of each service: one takes one record at a time, the other seven."""
    folder, plan = tmp_path_factory.mktemp("played"), draw(SEED, CASES, [], blows=0)
    environment = {"SERVICECERT_BATCH": "1"}
    async with opened(folder, parts, authority=authority, known=known_customers, environment=environment) as scene:
        others = [f"{service}-2" for service in SERVICES]
        await asyncio.gather(*(asyncio.to_thread(scene.system.start, name, SERVICECERT_BATCH="7") for name in others))
        await scene.system.ready(*others)
        yield Played(plan, scene, await scene.play(plan), plan.cases)
