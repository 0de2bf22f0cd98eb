"""The health check of a container: ready or not, and who is killed where nothing answers."""

import asyncio
import os
from pathlib import Path

import pytest
from listening import talking
from servicecert_worker.process import probe

STAT = "{} (a (name) with parentheses) S {} 1 1"


@pytest.fixture
def processes(tmp_path: Path) -> Path:
    """A /proc with an init, two children of it, and a grandchild."""
    folder = tmp_path / "proc"
    for number, (name, parent) in {1: ("docker-init", 0), 50: ("python", 1), 51: ("sh", 1), 52: ("sh", 51)}.items():
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "comm").write_text(f"{name}\n")
        (folder / str(number) / "stat").write_text(STAT.format(number, parent))
    (folder / "uptime").touch()
    return folder


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(os, "kill", lambda process, _signal: found.append(process))
    return found


async def answered(status: str, count: Path, processes: Path) -> int:
    """Run the probe against a server that answers once with this status."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwhy\n".encode())
        await writer.drain()
        writer.close()

    async with talking(answer) as port:
        return await asyncio.to_thread(probe.main, f"http://127.0.0.1:{port}/ready", count, processes)


async def test_a_ready_process_is_healthy(tmp_path: Path, processes: Path, killed: list[int]) -> None:
    assert await answered("200 OK", tmp_path / "count", processes) == 0
    assert killed == []


async def test_one_that_is_not_ready_is_unhealthy_and_goes_on(
    tmp_path: Path, processes: Path, killed: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        assert await answered("503 Service Unavailable", tmp_path / "count", processes) == 1
    assert "why" in capsys.readouterr().out
    assert killed == []


async def test_one_that_does_not_answer_three_times_in_a_row_is_killed(
    tmp_path: Path, processes: Path, killed: list[int]
) -> None:
    nobody = "http://127.0.0.1:1/ready"
    count = tmp_path / "count"
    for status in ("503 Service Unavailable", "200 OK"):
        await answered(status, count, processes)
        assert probe.main(nobody, count, processes) == probe.main(nobody, count, processes) == 1
    await answered("200 OK", count, processes)
    for _ in range(2):
        probe.main(nobody, count, processes)
        assert killed == []
    probe.main(nobody, count, processes)
    assert sorted(killed) == [50, 51]


def test_one_that_has_not_answered_yet_is_starting(tmp_path: Path, processes: Path, killed: list[int]) -> None:
    for _ in range(9):
        assert probe.main("http://127.0.0.1:1/ready", tmp_path / "count", processes) == 1
    assert killed == []


async def test_nobody_is_killed_where_process_1_is_no_containers_init(
    tmp_path: Path, processes: Path, killed: list[int]
) -> None:
    (processes / "1" / "comm").write_text("systemd\n")
    await answered("200 OK", tmp_path / "count", processes)
    for _ in range(9):
        assert probe.main("http://127.0.0.1:1/ready", tmp_path / "count", processes) == 1
    assert killed == []
