"""OCSP over HTTP, asked by `openssl ocsp` and judged by it (D8, RFC 5019, RFC 6960)."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.ocsp_messages import LARGEST_REQUEST
from servicecert_revoker.ocsp.domain.answering import INTERNAL_ERROR, MALFORMED, Answering
from servicecert_revoker.ocsp.effects.server import serve
from servicecert_revoker.serving.admission import limits
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, answering, request

POST = {"Content-Type": "application/ocsp-request"}


@pytest.fixture(scope="session")
def issuer(authority: Authority) -> IssuerInfo:
    return authority.issuer("test-ec")


@pytest.fixture
def now() -> datetime:
    """The start of the test: OpenSSL uses the real clock, and an answer "unknown" is valid for minutes."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def responder(authority: Authority, ca_keys: Mapping[str, SigningKey], now: datetime) -> Answering:
    return answering(authority, ca_keys, now)


@pytest.fixture
async def url(responder: Answering, now: datetime) -> AsyncIterator[str]:
    async with serve(responder.answer, lambda: now, 30, "127.0.0.1", 0) as address:
        yield address


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="session")
def chain(issuer: IssuerInfo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA's certificate, and its root's, in PEM files of one folder."""
    folder = tmp_path_factory.mktemp("chain")
    for name, der in (("ca", issuer.certificate_der), ("root", issuer.root_der)):
        (folder / f"{name}.pem").write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    return folder


async def openssl(chain: Path, *arguments: str | Path) -> str:
    """What `openssl ocsp` says, with its judgement."""
    command = [
        "openssl",
        "ocsp",
        "-issuer",
        chain / "ca.pem",
        "-CAfile",
        chain / "root.pem",
        "-verify_other",
        chain / "ca.pem",
    ]
    process = await asyncio.create_subprocess_exec(
        *map(str, [*command, *arguments]), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode()


@pytest.mark.parametrize("hash", ["-sha1", "-sha256"])
@pytest.mark.parametrize("nonce", ["-nonce", "-no_nonce"])
async def test_D8_openssl_agrees_by_post(url: str, chain: Path, hash: str, nonce: str) -> None:
    asked = [part for serial in (GOOD, REVOKED, NEVER_ISSUED) for part in ("-serial", str(serial))]
    output = await openssl(chain, hash, *asked, nonce, "-url", url)
    assert "Response verify OK" in output
    assert f"{GOOD}: good" in output
    assert f"{REVOKED}: revoked" in output
    assert "Reason: cessationOfOperation" in output
    assert f"{NEVER_ISSUED}: unknown" in output
    assert "WARNING" not in output


@pytest.mark.parametrize("escaped", [True, False])
async def test_D8_openssl_agrees_by_get(
    url: str, session: aiohttp.ClientSession, issuer: IssuerInfo, chain: Path, tmp_path: Path, escaped: bool
) -> None:
    for serial, status in ((GOOD, "good"), (REVOKED, "revoked"), (NEVER_ISSUED, "unknown")):
        path = b64encode(request(issuer, serial)).decode()
        address = f"{url}/{quote(path, safe='') if escaped else path}"
        async with session.get(aiohttp.client.URL(address, encoded=True)) as response:
            assert response.status == 200
            assert response.content_type == "application/ocsp-response"
            (tmp_path / "answer").write_bytes(await response.read())
        output = await openssl(chain, "-serial", str(serial), "-no_nonce", "-respin", tmp_path / "answer")
        assert "Response verify OK" in output
        assert f"{serial}: {status}" in output


async def got(session: aiohttp.ClientSession, url: str, asked: bytes, **headers: str) -> aiohttp.ClientResponse:
    address = aiohttp.client.URL(f"{url}/{quote(b64encode(asked).decode(), safe='')}", encoded=True)
    async with session.get(address, headers=headers) as response:
        await response.read()
        return response


async def test_D8_caches_keep_an_answer_for_a_short_while(
    url: str, session: aiohttp.ClientSession, issuer: IssuerInfo, responder: Answering, now: datetime
) -> None:
    response = await got(session, url, request(issuer, GOOD))
    assert response.headers["Cache-Control"] == "max-age=30, public, no-transform, must-revalidate"
    assert response.headers["Last-Modified"] == f"{now:%a, %d %b %Y %H:%M:%S} GMT"
    assert response.headers["Expires"] == f"{now + timedelta(hours=4):%a, %d %b %Y %H:%M:%S} GMT"
    again = await got(session, url, request(issuer, GOOD), **{"If-None-Match": response.headers["ETag"]})
    assert again.status == 304
    assert again.headers["ETag"] == response.headers["ETag"]
    responder.caught_up(now - timedelta(hours=4) + timedelta(seconds=7))
    last = await got(session, url, request(issuer, GOOD, hash=sha256))
    assert last.headers["Cache-Control"].startswith("max-age=7,")


async def test_D8_whoever_wants_no_answer_that_there_is_gets_none(
    url: str, session: aiohttp.ClientSession, issuer: IssuerInfo
) -> None:
    """RFC 9110, 13.1.2: `*` is any answer, but not one that is made for this request, or an error."""
    asked = request(issuer, GOOD)
    tag = (await got(session, url, asked)).headers["ETag"]
    for tags in ("*", f'"another", {tag}'):
        answer = await got(session, url, asked, **{"If-None-Match": tags})
        assert (answer.status, answer.headers["ETag"]) == (304, tag)
    for asked in (request(issuer, NEVER_ISSUED), b"no request"):
        assert (await got(session, url, asked, **{"If-None-Match": "*"})).status == 200


async def test_D8_a_client_that_waits_for_continue_is_told_to_or_answered_at_once(url: str, issuer: IssuerInfo) -> None:
    """RFC 9110, 10.1.1. The client never sends its body unasked, as a slow one or a proxy would."""
    body, port = request(issuer, GOOD), int(url.rpartition(":")[2])

    async def head(version: str, type: str, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = f"POST / HTTP/{version}", "Host: x", f"Content-Type: {type}", f"Content-Length: {length}"
        writer.write("\r\n".join((*lines, "Expect: 100-Continue", "", "")).encode())
        return reader, writer

    async with asyncio.timeout(30):
        reader, writer = await head("1.1", POST["Content-Type"], len(body))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        for type, length, status in (("text/plain", 5, b"415"), (POST["Content-Type"], LARGEST_REQUEST + 1, b"413")):
            reader, writer = await head("1.1", type, length)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"Connection: close" in answer, "what follows might be the body or another request"
            writer.close()
        reader, writer = await head("1.0", POST["Content-Type"], len(body))
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.0 200 OK\r\n")
        writer.close()


async def test_D8_curl_gets_an_answer_without_a_wait(url: str, issuer: IssuerInfo, tmp_path: Path) -> None:
    (tmp_path / "request").write_bytes(request(issuer, GOOD))
    options = ("-sS", "-v", "--expect100-timeout", "60", "--max-time", "30", "-o", str(tmp_path / "answer"))
    headers = ("-H", "Expect: 100-continue", "-H", f"Content-Type: {POST['Content-Type']}")
    curl = await asyncio.create_subprocess_exec(
        "curl", *options, *headers, "--data-binary", f"@{tmp_path / 'request'}", url, stderr=asyncio.subprocess.PIPE
    )
    _, told = await curl.communicate()
    assert (curl.returncode, b"100 Continue" in told) == (0, True)
    assert (tmp_path / "answer").stat().st_size > 100


async def test_D8_what_is_for_one_or_for_now_is_not_kept(
    url: str, session: aiohttp.ClientSession, issuer: IssuerInfo
) -> None:
    for asked in (request(issuer, GOOD, b"nonce"), request(issuer, NEVER_ISSUED), b"no request"):
        response = await got(session, url, asked)
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert "ETag" not in response.headers
    async with session.post(url, data=request(issuer, GOOD), headers=POST) as response:
        assert response.headers["Cache-Control"] == "no-store"


async def test_D8_what_is_asked_wrongly_is_answered_in_words_or_in_ocsp(
    url: str, session: aiohttp.ClientSession
) -> None:
    async def status(method: str, **more: Any) -> int:
        async with session.request(method, url, **more) as response:
            return response.status

    assert await status("POST", data=b"x") == 415
    assert await status("POST", data=bytes(LARGEST_REQUEST + 1), headers=POST) == 413
    assert await status("DELETE") == 405

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(LARGEST_REQUEST // 8)

    assert await status("POST", data=endless(), headers=POST) == 413
    for path in ("", "/", "/no-base64!", "/%ff"):
        async with session.get(aiohttp.client.URL(url + path, encoded=True)) as response:
            assert await response.read() == MALFORMED.body
    async with session.head(f"{url}/MDA=") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_D8_a_defect_is_an_internal_error(session: aiohttp.ClientSession, now: datetime) -> None:
    def broken(asked: bytes, at: datetime, client: str) -> Any:
        raise RuntimeError("a defect")

    async with (
        serve(broken, lambda: now, 30, "127.0.0.1", 0) as url,
        session.post(url, data=b"x", headers=POST) as response,
    ):
        assert await response.read() == INTERNAL_ERROR.body


async def test_D8_a_client_that_is_slow_is_let_go_and_one_that_asks_is_kept(
    responder: Answering, session: aiohttp.ClientSession, issuer: IssuerInfo, now: datetime
) -> None:
    async with serve(responder.answer, lambda: now, 30, "127.0.0.1", 0, limits=limits(90, 0.3)) as url:
        slow = [await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2])) for _ in range(3)]
        for (_, writer), sent in zip(
            slow,
            (
                b"",
                b"GET /",
                b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ocsp-request\r\n"
                b"Content-Length: 9\r\n\r\nx",
            ),
            strict=True,
        ):
            writer.write(sent)
        ends = asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
        async with asyncio.timeout(120):
            while not ends.done():
                response = await got(session, url, request(issuer, GOOD))
                assert response.status == 200
                await asyncio.wait([ends], timeout=0.05)
        assert [end for end in await ends if end and not isinstance(end, ConnectionError)] == []
        for _, writer in slow:
            writer.close()
