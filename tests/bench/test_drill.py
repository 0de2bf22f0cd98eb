"""The drill of an incident, small: `make drill` runs it with a hundred thousand certificates."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.long
def test_D2_D4_incident_is_carried_out_whole_though_a_revoker_dies_on_the_way(parts, database_url):
    own = {"KAFKA_BOOTSTRAP_SERVERS": parts.bootstrap, "DATABASE_URL": database_url}
    command = [sys.executable, "-m", "bench.drill", "--certificates", "40", "--factor", "400", "--hours", "1"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env={**os.environ, **own}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("40 certificates are revoked and published in ")
