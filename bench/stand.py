"""The whole system as it is measured: all parts on this machine, one worker of each service, mails to a sink that accepts everything."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from servicecert_cli.stand.system import System

SINK = Path(__file__).with_name("smtp_sink.py")


@asynccontextmanager
async def measured_system() -> AsyncIterator[System]:
    """A system that is tuned for throughput, not for a quick start."""
    sink = await asyncio.create_subprocess_exec(sys.executable, str(SINK), stdout=asyncio.subprocess.PIPE)
    try:
        assert sink.stdout is not None
        port = (await sink.stdout.readline()).split()[1].decode()
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": port}
        with tempfile.TemporaryDirectory(prefix="servicecert-bench-") as folder:
            async with System(Path(folder), throughput=False, environment=mail) as system:
                yield system
    finally:
        sink.terminate()
        await sink.wait()


def memory(system: System) -> dict[str, float]:
    """The resident memory of each worker in MB."""
    return {
        name: max(each.memory_info().rss for each in _family(child.pid)) / 1e6
        for name, child in system.children.items()
    }


def cpu_seconds(system: System) -> dict[str, float]:
    """The processor time that each part has used since its start."""
    pids = {name: child.pid for name, child in system.children.items() if child.alive}
    if system.parts.kafka is not None:
        pids["kafka"] = system.parts.kafka.pid
    if system.parts.postgres is not None:
        pids["postgresql"] = system.parts.postgres.pid
    return {name: sum(_used(each) for each in _family(pid)) for name, pid in pids.items()}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
