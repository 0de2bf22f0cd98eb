"""OCSP over HTTP by two responders that share the machine's cores with their clients: answers a second, and p99."""

import asyncio
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import cast
from urllib.parse import quote, urlsplit

import uvloop
from servicecert_cli.connections.kafka import records
from servicecert_cli.stand.system import System
from servicecert_pki.authority import Authority
from servicecert_pki.ocsp_client import OcspQuery
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import decode
from servicecert_schemas.topics import CERTIFICATES

from bench import load
from bench.results import keep, percentiles
from bench.stand import in_processes, measured_system, scaled
from bench.whole_way import backlog

CERTIFICATES_ASKED = 2_000
RESPONDERS, CONNECTIONS, SECONDS = 2, 32, 6.0
LEAST_RATE, MOST_MS = 5_000.0, 20.0
"""The aims."""


async def measure(share: float) -> None:
    """Ask for the standings of certificates that a system issued; each answer is signed before it is measured."""
    async with measured_system({"ocsp": RESPONDERS}) as system:
        await backlog(system, load.records(scaled(CERTIFICATES_ASKED, share), load.requests("ec")))
        paths = await _paths(system)
        address = urlsplit(system.ocsp_url)
        for name in system.workers:
            await asyncio.to_thread(system.children.pop(name).kill)
        asked = (address.hostname, address.port, paths)
        await asyncio.to_thread(in_processes, 1, _asked, *asked, len(paths) / 500 + SECONDS)
        (times,) = await asyncio.to_thread(in_processes, 1, _asked, *asked, SECONDS)
    keep("ocsp", len(times) / SECONDS, "answers/s", "the aim", LEAST_RATE)
    keep("ocsp-p99", percentiles(times)["p99"] * 1000, "ms", "the aim", MOST_MS)


async def _paths(system: System) -> list[str]:
    authority, paths = Authority.load(system.ca_folder), []
    async for record in records(system.cluster, CERTIFICATES):
        _, issued = decode(CERTIFICATES.name, record.key, record.headers, record.value)
        assert isinstance(issued, CertificateIssued)
        request = OcspQuery(authority.issuer(issued.issuer), int(issued.serial, 16)).request()
        paths.append("/" + quote(b64encode(request).decode(), safe=""))
    return paths


def _asked(host: str, port: int, paths: Sequence[str], seconds: float) -> list[float]:
    return uvloop.run(_ask(host, port, paths, seconds))


async def _ask(host: str, port: int, paths: Sequence[str], seconds: float) -> list[float]:
    """Ask over several connections, each with one request at a time; return the seconds of each answer."""
    requests = cycle([f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for path in paths])
    times: list[float] = []
    loop = asyncio.get_running_loop()
    clients = [await loop.create_connection(lambda: _Client(requests, times), host, port) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    for transport, _ in clients:
        transport.abort()
    return times


class _Client(asyncio.Protocol):
    """Sends the next request as soon as an answer is whole."""

    def __init__(self, requests: Iterator[bytes], times: list[float]) -> None:
        self._requests = requests
        self._times = times

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if blank and len(body) >= int(length):
            assert b"200 OK" in head[:20], head
            self._times.append(time.perf_counter() - self._sent)
            self._next()

    def _next(self) -> None:
        self._answer = b""
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))
