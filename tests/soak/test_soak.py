"""A small soak: short faults, an outage until its alert fires, and a rollout of the last release under load."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest
from chaos.customers import Customers
from databases import SETTINGS
from servicecert_cli.stand.identities import Identities
from servicecert_launcher import start_parts

from soak import report
from soak.run import open_soak, run
from soak.schedule import Outage, Pause, Rollout, Step, Version

SEED, PAUSE_SECONDS = 4, 0.5
STEPS: tuple[Step, ...] = (Rollout(Version.RELEASED), Outage("OCSP responder dead"), Pause(1.0), Rollout(Version.THIS))

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed: Debian's prometheus"),
]


async def test_I1_I2_I3_I4_I9_a_soak_ends_clean_and_every_alert_is_explained(
    known_customers: Customers, tmp_path: Path
) -> None:
    identities = Identities.make(tmp_path / "identities")
    said: list[str] = []
    with start_parts(settings=SETTINGS, secured=identities.broker, tls=identities.database, environment={}) as parts:
        async with (
            asyncio.timeout(600),
            open_soak(tmp_path, parts, identities, said.append, customers=known_customers) as soak,
        ):
            began = time.time()
            outcome = await run(soak, STEPS, SEED, PAUSE_SECONDS)
    assert not list(report.findings(outcome))
    assert [happening.alert for happening in outcome.happenings] == [None, "OcspDown", None]
    assert outcome.cases
    assert outcome.stretch.began >= began
    shown = "\n".join(report.lines(outcome))
    assert "| OCSP responder dead | 1 |" in shown
    assert "`OcspDown`" in shown
