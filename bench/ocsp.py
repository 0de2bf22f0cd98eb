"""Pre-signed OCSP answers of two responders over HTTP: their rate and 99th percentile, compared with `openssl ocsp`.

    python -m bench.ocsp                      # writes var/bench/ocsp.json and ocsp-p99.json

Servers and clients share the machine's cores. A client reuses its connection if the server does; OpenSSL's does not.
"""

import asyncio
import multiprocessing
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from servicecert_deploy.ports import HOST, free_port
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import make_authority
from servicecert_pki.keyring import open_keys
from servicecert_pki.keys import SigningKey
from servicecert_pki.ocsp_response import Signer
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import load_profiles
from servicecert_revoker.ocsp.domain.answering import Answering
from servicecert_revoker.ocsp.domain.standings import Standings
from servicecert_revoker.ocsp.effects.server import serve

sys.path.insert(0, "tests")

from services.revoker.ocsp_stand import request, revoked, said, signer

from bench.results import keep
from bench.stand import in_processes

CERTIFICATES = 2_000
SERVERS, CONNECTIONS, SECONDS = 2, 32, 6.0
MOST_MS = 20.0
"""The limit of the 99th percentile of answers."""

_PASSPHRASES: Mapping[Environment, bytes] = {each: f"a passphrase of {each}".encode() for each in Environment}


@dataclass(frozen=True, slots=True)
class Speed:
    """Answers a second, and the 99th percentile of their time in milliseconds."""

    rate: float
    p99: float


def measure() -> None:
    """Measure both one after the other and store the result."""
    with tempfile.TemporaryDirectory() as folder:
        now = datetime.now(UTC)
        make_authority(Path(folder) / "ca", _PASSPHRASES, load_profiles(), now - timedelta(days=1))
        authority = Authority.load(Path(folder) / "ca")
        keys = open_keys(authority, _PASSPHRASES)
        paths = [b64encode(request(authority.issuer("test-ec"), 1 + number)).decode() for number in range(CERTIFICATES)]
        with _ours(authority, keys, now) as port:
            _wait_for(port, paths[0])
            (ours,) = in_processes(1, _query, port, paths)
        with _openssl(authority, keys, now, Path(folder)) as port:
            _wait_for(port, paths[0])
            (theirs,) = in_processes(1, _query, port, paths)
    keep("ocsp", ours.rate, "answers/s", "openssl ocsp -multi 2", theirs.rate)
    keep("ocsp-p99", ours.p99, "ms", "the aim", MOST_MS)


@contextmanager
def _ours(authority: Authority, keys: Mapping[str, SigningKey], now: datetime) -> Iterator[int]:
    """Run responders whose answers are signed before the first request."""
    issuer, port = authority.issuer("test-ec"), free_port()
    standings = Standings()
    for number in range(CERTIFICATES):
        standings.take(said(1 + number) if number % 10 else revoked(1 + number, now), now)
    answering = Answering(standings, timedelta(hours=4), CERTIFICATES)
    answering.certified(issuer, signer(issuer, keys[issuer.id], now))
    answering.moment = now
    for number in range(CERTIFICATES):
        answering.answer(request(issuer, 1 + number), now)

    async def serving() -> None:
        async with serve(answering.answer, lambda: datetime.now(UTC), 30, HOST, port):
            await asyncio.Event().wait()

    with _processes(lambda: uvloop.run(serving()), SERVERS):
        yield port
    assert answering.signed == CERTIFICATES


@contextmanager
def _openssl(authority: Authority, keys: Mapping[str, SigningKey], now: datetime, folder: Path) -> Iterator[int]:
    """Run OpenSSL's responder on the same certificates, with a key of the same kind, in its own process group."""
    issuer, port = authority.issuer("test-ec"), free_port()
    theirs: Signer = signer(issuer, keys[issuer.id], now)
    for name, der in (("ca", issuer.certificate_der), ("responder", theirs.certificate_der)):
        (folder / f"{name}.pem").write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    key = theirs.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "responder.key").write_bytes(key)
    (folder / "index.txt").write_text(
        "".join(
            f"V\t281124000000Z\t\t{1 + number:04X}\tunknown\t/CN={number}\n"
            if number % 10
            else f"R\t281124000000Z\t261124000000Z,cessationOfOperation\t{1 + number:04X}\tunknown\t/CN={number}\n"
            for number in range(CERTIFICATES)
        )
    )
    command = ["openssl", "ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "responder.pem"]
    command += ["-rkey", "responder.key", "-port", str(port), "-nmin", "240", "-multi", str(SERVERS)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@contextmanager
def _processes(work: Callable[[], None], count: int) -> Iterator[None]:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=work, daemon=True) for _ in range(count)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.join()


def _wait_for(port: int, path: str) -> None:
    """Wait until a request is answered; OpenSSL's responder does not accept a connection without one."""
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/{quote(path, safe='')}", timeout=5).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _query(port: int, paths: Sequence[str]) -> Speed:
    """Send requests over several connections, each with one request at a time."""
    requests = [f"GET /{quote(path, safe='')} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() for path in paths]
    waiting = selectors.DefaultSelector()
    number = 0

    def send(client: socket.socket | None) -> None:
        nonlocal number
        if client is None:
            client = socket.create_connection((HOST, port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(requests[number % len(requests)])
        number += 1
        waiting.register(client, selectors.EVENT_READ, [time.perf_counter(), b""])

    for _ in range(CONNECTIONS):
        send(None)
    times: list[float] = []
    started = time.perf_counter()
    while (now := time.perf_counter()) < started + SECONDS:
        for key, _ in waiting.select(timeout=1):
            client, (sent, before) = key.fileobj, key.data
            assert isinstance(client, socket.socket)
            part = client.recv(65_536)
            whole = key.data[1] = before + part
            if part and not _is_whole(whole):
                continue
            assert b"200 OK" in whole[:20], whole[:200]
            if now > started + 1:
                times.append(time.perf_counter() - sent)
            waiting.unregister(client)
            ends = not part or (b"keep-alive" not in whole.lower() and whole.startswith(b"HTTP/1.0"))
            if ends:
                client.close()
            send(None if ends else client)
    times.sort()
    return Speed(len(times) / (SECONDS - 1), times[int(len(times) * 0.99)] * 1000)


def _is_whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return bool(blank) and bool(length) and len(body) >= int(length)


if __name__ == "__main__":
    measure()
