"""What a process reports to systemd: when it works, that it lives, and nothing while it stands still."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servicecert_worker.core.faults import background, with_timeout
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.internals import client_of, group_members
from servicecert_worker.process.application import Application, notify, report_alive
from servicecert_worker.runtime.settings import ProcessSettings
from toy import service as toy
from toy.stand import Stand


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        yield manager


async def reported(manager: socket.socket) -> str:
    return (await asyncio.get_running_loop().sock_recv(manager, 100)).decode()


async def test_a_worker_reports_its_start_its_life_and_its_end(stand: Stand, manager: socket.socket) -> None:
    worker = stand.work(NOTIFY_SOCKET=manager.getsockname(), WATCHDOG_USEC="200000")
    first = await reported(manager)
    while first == "WATCHDOG=1":
        first = await reported(manager)
    assert first == "READY=1"
    assert len(await group_members(client_of(stand.producer), stand.prefix + toy.NAME)) == 1
    assert await reported(manager) == "WATCHDOG=1"
    assert await asyncio.to_thread(worker.stop, 60, signal.SIGTERM) == 0
    last = ""
    while last != "STOPPING=1":
        last = await reported(manager)
        assert last in ("WATCHDOG=1", "STOPPING=1")


async def test_without_a_watchdog_nothing_is_reported(manager: socket.socket, monkeypatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    async with background(report_alive()):
        notify("READY=1")
        assert await reported(manager) == "READY=1"
        with pytest.raises(BlockingIOError):
            manager.recv(100)


def test_an_abstract_socket(monkeypatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0servicecert-test-notify")
        monkeypatch.setenv("NOTIFY_SOCKET", "@servicecert-test-notify")
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_no_error(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


async def test_a_process_that_ends_before_it_is_ready_waits_for_nothing(monkeypatch, manager: socket.socket) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    application = toy_application()
    application._running = NeverReady()  # type: ignore[assignment]
    reporting = asyncio.create_task(application._report_ready())
    await asyncio.sleep(0)
    application.exit()
    await with_timeout(30, reporting)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


class NeverReady:
    def ready(self) -> tuple[bool, str]:
        return False, "not yet"


def toy_application() -> Application:
    settings = ProcessSettings(bootstrap_servers="nowhere:1", service_keys=Path("nowhere"))

    def opened() -> Any:
        raise AssertionError("It does not run.")

    return Application("toy", settings, Broker(settings.cluster, "toy"), opened)
