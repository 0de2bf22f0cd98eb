"""Nobody outside can stop revocation, the CRLs or OCSP (F5): attacks over real sockets."""

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Address
from servicecert_revoker.domain.crl_orders import ConfirmOrder
from servicecert_revoker.effects.confirm import Confirm
from servicecert_revoker.ocsp.domain.answering import LIMITED, Answering, Budget
from servicecert_revoker.ocsp.effects import server as ocsp_server
from servicecert_revoker.serving import crl_server
from servicecert_revoker.serving.admission import limits
from servicecert_worker.core.decider import Done, Task
from servicecert_worker.core.faults import backoff
from servicecert_worker.process.connections import Proxies, raise_file_limit
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, answering, request

Register = Callable[..., Awaitable[Task]]

HOST = "127.0.0.1"
POST = {"Content-Type": "application/ocsp-request"}
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
LARGE = b"a list" * 5_000_000


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def responder(authority: Authority, ca_keys: Mapping[str, SigningKey], now: datetime) -> Answering:
    return answering(authority, ca_keys, now)


@pytest.fixture
def issuer(authority: Authority) -> IssuerInfo:
    return authority.issuer("test-ec")


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def attacker(port: int, number: int, ask: bytes, addresses: int = 1) -> socket.socket:
    """A connection of an attacker that reads nothing, from one of so many addresses of this machine."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    client.bind((f"127.0.0.{1 + number % addresses}", 0))
    loop = asyncio.get_running_loop()
    try:
        with suppress(ConnectionError):
            await loop.sock_connect(client, (HOST, port))
            # Silent, a head that goes on byte by byte, a request whose answer is not read.
            await loop.sock_sendall(client, (b"", b"GET /test-ec.crl HTTP/1.1\r\nHost: x\r\nX-", ask)[number % 3])
    except BaseException:
        client.close()
        raise
    return client


@asynccontextmanager
async def under_attack(ports: list[int], count: int, addresses: int, ask: bytes) -> AsyncIterator[None]:
    """Hold as many connections to each port, open those anew that are closed, and send a byte now and then."""
    held: dict[int, tuple[int, socket.socket]] = {}

    async def go_on() -> None:
        loop = asyncio.get_running_loop()
        while True:
            for number, (port, client) in held.items():
                try:
                    if number % 3 == 1:
                        await loop.sock_sendall(client, b"a")
                    else:
                        client.send(b"")
                    client.getpeername()
                except OSError:
                    client.close()
                    held[number] = port, await attacker(port, number, ask, addresses)
                await asyncio.sleep(0)
            await asyncio.sleep(0.02)

    for number in range(count * len(ports)):
        port = ports[number % len(ports)]
        held[number] = port, await attacker(port, number // len(ports), ask, addresses)
    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for _, client in held.values():
            client.close()


async def honest(ask: Callable[[], Any]) -> bytes:
    """What a client gets that asks again if its connection is closed: each try has a place."""
    while True:
        with suppress(aiohttp.ClientError):
            async with ask() as response:
                assert response.status == 200
                return bytes(await response.read())


@pytest.mark.parametrize(("places", "count"), [(10, 10), pytest.param(450, 500, marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("addresses", [1, 50], ids=["one-address", "many-addresses"])
async def test_f5_slow_readers_stop_no_revocation_no_crl_and_no_answer(
    publish: Publish,
    register: Register,
    responder: Answering,
    authority: Authority,
    issuer: IssuerInfo,
    now: datetime,
    places: int,
    count: int,
    addresses: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They hold the public address that the revoker itself fetches from: there is no internal one here."""
    raise_file_limit()
    (publish.runner.files.folder / "test-rsa.crl").write_bytes(LARGE)
    ask = b"GET /test-rsa.crl HTTP/1.1\r\nHost: x\r\n\r\n"
    # The honest client has another address than the attackers, but for those with the whole network.
    async with (
        asyncio.timeout(300),
        crl_server.serve(
            publish.runner.files.folder, HOST, 0, limits=replace(limits(places), most_per_client=max(5, places // 8))
        ) as crls,
        ocsp_server.serve(responder.answer, lambda: now, 30, HOST, 0, limits=limits(places)) as ocsp,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.77", 0))) as session,
    ):
        distribution = replace(publish.runner.distribution, base_url=crls, address=Address(crls, session))
        publish = replace(publish, runner=replace(publish.runner, distribution=distribution))
        async with under_attack([port_of(crls), port_of(ocsp)], count, addresses, ask):
            (outcome,) = await publish([task := await register(1, partition=2)])
            while not isinstance(outcome, Done):
                (outcome,) = await publish([task])
            crl = (publish.runner.files.folder / "test-ec.2.crl").read_bytes()
            assert await honest(lambda: session.get(f"{crls}/test-ec.2.crl")) == crl
            assert await honest(lambda: session.post(ocsp, data=request(issuer, GOOD), headers=POST))
            order = ConfirmOrder(
                issuer="test-ec",
                serial=f"{REVOKED:04x}",
                request_id=task.data.request_id,
                crl_number=1,
                crl_url="",
                published_at=now,
            )
            asked = [Task(task.id, "case", "confirm", order, now)]
            confirm = Confirm(ocsp, authority, session, lambda: now)
            while not isinstance((await confirm(asked))[0], Done):
                pass
    assert not [record.getMessage() for record in caplog.records if record.exc_info]


async def test_f5_i7_the_revoker_fetches_back_from_behind_the_proxy_whatever_happens_in_front(
    publish: Publish, register: Register
) -> None:
    """The public address has no place left and gives none: as a proxy that somebody floods."""
    flooded = socket.create_server((HOST, 0), backlog=0)
    with flooded:
        public = f"http://{HOST}:{flooded.getsockname()[1]}"
        inside = replace(publish.runner.distribution, base_url=public)
        (outcome,) = await replace(publish, runner=replace(publish.runner, distribution=inside))(
            [task := await register(1, partition=2)]
        )
        assert isinstance(outcome, Done)
        assert outcome.data.crl.url == f"{public}/test-ec.2.crl", "certificates and CRLs name the public address"
        outside = replace(inside, address=replace(inside.address, url=public, seconds=0.3))
        (outcome,) = await replace(publish, runner=replace(publish.runner, distribution=outside))([task])
        assert not isinstance(outcome, Done), "without an internal address it must be seen at the public one (I7)"


async def test_f5_who_does_not_read_a_crl_loses_its_place(tmp_path: Path) -> None:
    (tmp_path / "test-ec.crl").write_bytes(LARGE)
    async with (
        asyncio.timeout(120),
        crl_server.serve(tmp_path, HOST, 0, limits=limits(90, 0.3), octets_per_second=1e9) as base,
    ):
        client = await attacker(port_of(base), 2, b"GET /test-ec.crl HTTP/1.1\r\nHost: x\r\n\r\n")
        with client:
            async for _ in backoff(first=0.05, longest=0.05):
                # It reads a little now and then.
                if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    break
                with suppress(BlockingIOError):
                    client.recv(1)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(TLS, id="tls"),
        pytest.param(b"\x00" * 1000, id="zeros"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="version"),
        pytest.param(b"GET /" + b"a" * 20_000, id="long-line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 2_000 + b"\r\n", id="many-headers"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 200_000, id="long-header"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", id="length"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: 9\r\n\r\nx",
            id="half-a-body",
        ),
        pytest.param(b"GET /test-ec.crl HTTP/1.1\r\nHost: x\r\n\r\n" * 50, id="many-requests"),
        pytest.param(b"GET /test-ec.crl HTTP/1.1\r\nHost: x\r\n\r\n", id="reset-while-sending"),
    ],
)
@pytest.mark.parametrize("kind", ["crl", "ocsp"])
async def test_f5_what_is_no_request_leaves_no_trace_and_no_traceback(
    tmp_path: Path, responder: Answering, now: datetime, caplog: pytest.LogCaptureFixture, kind: str, sent: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "test-ec.crl").write_bytes(LARGE[:600_000])
    serving = (
        crl_server.serve(tmp_path, HOST, 0, limits=limits(90, 0.5))
        if kind == "crl"
        else ocsp_server.serve(responder.answer, lambda: now, 30, HOST, 0, limits=limits(90, 0.5))
    )
    async with asyncio.timeout(120), serving as base, aiohttp.ClientSession() as session:
        reset = socket.create_connection((HOST, port_of(base)))
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            reset.sendall(sent)
        await asyncio.sleep(0)
        reset.close()
        reader, writer = await asyncio.open_connection(HOST, port_of(base))
        writer.write(sent)
        if writer.can_write_eof() and sent is TLS:
            writer.write_eof()
        with suppress(ConnectionError):
            while await reader.read(1 << 20):
                pass
        writer.close()
        async with session.get(f"{base}/missing.crl") as response:
            assert response.status in (200, 404)
    traces = [record for record in caplog.records if record.exc_info or "Traceback" in record.getMessage()]
    assert not [record.getMessage() for record in traces if record.name.partition(".")[0] != "asyncio"]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_f5_answers_that_are_signed_anew_are_limited_per_client_and_others_are_not(
    responder: Answering, issuer: IssuerInfo, now: datetime
) -> None:
    responder._budget = Budget(1, 1_000)
    proxies = Proxies.of("127.0.0.2/32")

    async def statuses(session: aiohttp.ClientSession, asked: bytes, forwarded: str) -> bool:
        async with session.post(url, data=asked, headers={**POST, "X-Forwarded-For": forwarded}) as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "no-store"
            return await response.read() == LIMITED.body

    async with (
        asyncio.timeout(120),
        ocsp_server.serve(responder.answer, lambda: now, 30, HOST, 0, proxies=proxies) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.1", 0))) as direct,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))) as proxy,
    ):
        costly = (request(issuer, GOOD, b"a nonce"), request(issuer, NEVER_ISSUED))
        for number in range(10):
            assert not await statuses(direct, costly[number % 2], f"192.0.2.{number}")
        for asked in costly:
            assert await statuses(direct, asked, "192.0.2.99"), "who is no proxy is not believed"
        signed = responder.signed
        for _ in range(50):
            assert not await statuses(direct, request(issuer, GOOD), "")
        assert responder.signed <= signed + 1, "signed once for all"
        for client in ("192.0.2.1", "2001:db8::1"):
            assert [await statuses(proxy, costly[0], client) for _ in range(11)] == [False] * 10 + [True]
        assert await statuses(proxy, costly[1], "2001:db8::ffff"), "one network is one client"
