"""Who reaches /metrics cannot stop a worker (F5): health over real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.process import health
from servicecert_worker.process.connections import Limits
from servicecert_worker.runtime.settings import ProcessSettings

SETTINGS = ProcessSettings(
    KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", SERVICECERT_HEALTH_PORT=0, SERVICECERT_SERVICE_KEYS="nowhere"
)


class Source:
    """A worker whose metrics can be held up."""

    def __init__(self) -> None:
        self.readings = 0
        self.go = asyncio.Event()
        self.go.set()

    def live(self) -> health.Check:
        return True, "Alive."

    def ready(self) -> health.Check:
        return True, "Ready."

    async def metrics(self) -> bytes:
        self.readings += 1
        await self.go.wait()
        return b"up 1\n"


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def read(session: aiohttp.ClientSession, address: str, path: str) -> str:
    async with session.get(f"http://{address}/{path}") as response:
        assert response.status == 200
        assert response.headers["Connection"] == "close"
        return await response.text()


async def test_f5_silent_connections_take_no_place_from_a_probe(
    source: Source, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(120), health.serve(source, SETTINGS, limits=Limits(10, 10, 0.3)) as address:
        host, _, port = address.rpartition(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(30)]
        for _, writer in held[::3]:
            writer.write(b"GET /metrics HTTP/1.1\r\n")
        held[1][1].write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        held[2][1].write(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + bytes([65]) * 100_000)
        assert await read(session, address, "live") == "Alive.\n"
        shown = await read(session, address, "metrics")
        assert shown.startswith("up 1\n")
        assert 'servicecert_health_connections_closed_total{reason="client"}' in shown
        for reader, writer in held:
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
        assert await read(session, address, "ready") == "Ready.\n"
    assert not [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING]


async def test_f5_however_many_ask_the_metrics_are_read_once(source: Source, session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(120), health.serve(source, SETTINGS) as address:
        source.go.clear()
        asked = [asyncio.create_task(read(session, address, "metrics")) for _ in range(20)]
        assert await read(session, address, "live") == "Alive.\n"
        source.go.set()
        assert {text.partition("\n")[0] for text in await asyncio.gather(*asked)} == {"up 1"}
        assert source.readings == 1


async def test_a_health_file_that_cannot_be_written_is_one_sentence(source: Source, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"health_file": tmp_path / "nowhere" / "health"})
    with pytest.raises(OperatorError, match=r"health cannot be written .*: set SERVICECERT_HEALTH_FILE to a file"):
        async with health.serve(source, settings):
            pass
