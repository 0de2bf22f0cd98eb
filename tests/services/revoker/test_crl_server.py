"""What relying parties fetch, and what nobody fetches."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from servicecert_pki.authority import Authority
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.serving.admission import address, limits
from servicecert_revoker.serving.crl_server import serve
from yarl import URL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "crls"
    folder.mkdir()
    (folder / "test-ec.crl").write_bytes(b"a list")
    (folder / "test-ec.12.crl").write_bytes(b"a part")
    (folder / "test-ec.cer").write_bytes(b"a certificate")
    (folder / ".test-ec.crl.partial").write_bytes(b"half a list")
    (folder / "notes.txt").write_bytes(b"notes")
    (folder / "test-ec.0.crl").write_bytes(b"nobody")
    (folder / "folder.crl").mkdir()
    for path in folder.iterdir():
        os.utime(path, (time.time() - 9, time.time() - 9))
    (tmp_path / "secret.crl").write_bytes(b"secret")
    return folder


@pytest.fixture
async def base(folder: Path) -> AsyncIterator[str]:
    async with serve(folder, "127.0.0.1", 0) as base:
        yield base


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("test-ec.crl", "application/pkix-crl", b"a list"),
        ("test-ec.12.crl", "application/pkix-crl", b"a part"),
        ("test-ec.cer", "application/pkix-cert", b"a certificate"),
    ],
)
async def test_files_come_with_their_type_and_may_be_kept_briefly(
    base: str, session: aiohttp.ClientSession, name: str, media_type: str, content: bytes
) -> None:
    async with session.get(f"{base}/{name}") as response:
        assert (response.status, response.headers["Content-Type"]) == (200, media_type)
        assert await response.read() == content
        assert "max-age=" in response.headers["Cache-Control"]
        assert response.headers["Last-Modified"]
        tag = response.headers["ETag"]
    async with session.get(f"{base}/{name}", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
    async with session.head(f"{base}/{name}") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, str(len(content)))


async def test_whoever_waits_to_continue_is_answered_at_once_and_any_copy_is_one(base: str) -> None:
    """RFC 9110, 10.1.1 and 13.1.2."""
    async with asyncio.timeout(30):
        for sent, status in (
            (b"PUT /test-ec.crl HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue", b"405"),
            (b"GET /test-ec.crl HTTP/1.1\r\nIf-None-Match: *", b"304"),
            (b"GET /missing.crl HTTP/1.1\r\nIf-None-Match: *", b"404"),
        ):
            reader, writer = await connected(base, sent + b"\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 " + status)
            writer.close()


async def fetched(session: aiohttp.ClientSession, url: str, **since: str) -> tuple[int, str, str | None, str]:
    """Status, content, Last-Modified and ETag."""
    headers = {name.replace("_", "-"): value for name, value in since.items()}
    async with session.get(url, headers=headers) as response:
        kept = response.headers.get("Last-Modified"), response.headers["ETag"]
        return response.status, (await response.read()).decode(), *kept


async def test_D7_two_crls_of_one_second_are_told_apart_by_their_tags_alone(
    base: str, session: aiohttp.ClientSession, folder: Path, authority: Authority
) -> None:
    files, url = CrlFiles(folder), f"{base}/test-ec.12.crl"
    _, _, date, tag = await fetched(session, url)
    assert date is not None
    assert await fetched(session, url, If_Modified_Since=date) == (304, "", date, tag)
    tags = {tag}
    for number, content in enumerate((b"first.", b"second", b"third."), 1):
        made = folder / ".made"
        made.write_bytes(content)
        # A clock that went back makes no file older than the one before it.
        before = time.time_ns() if number < 3 else time.time_ns() + 30_000_000_000
        os.utime(folder / "test-ec.12.crl", ns=(before, before))
        files.put_crl(authority.issuer("test-ec"), 12, made, number)
        changed = (folder / "test-ec.12.crl").stat().st_mtime_ns
        assert changed > before
        status, fresh, none, own = await fetched(session, url, If_Modified_Since=date, If_None_Match=tag)
        assert (status, fresh, none) == (200, content.decode(), None), "a date would not tell it from the next one"
        tags.add(own)
        assert (await fetched(session, url, If_None_Match=own))[0] == 304
        assert (await fetched(session, url, If_Modified_Since=date))[0] == 200
    assert len(tags) == 4


def test_published_files_can_be_read_by_the_account_of_a_server(tmp_path: Path, authority: Authority) -> None:
    """The units of deploy/systemd have a server of its own account, and a umask."""
    before = os.umask(0o077)
    try:
        (made := tmp_path / ".made").write_bytes(b"a list")
        CrlFiles(tmp_path).put_crl(authority.issuer("test-ec"), 0, made, 1)
        CrlFiles(tmp_path).put_certificate("test-ec", b"a certificate")
    finally:
        os.umask(before)
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("[!.]*")} == {
        "test-ec.crl": "0o644",
        "test-ec.cer": "0o644",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/notes.txt",
        "/.test-ec.crl.partial",
        "/missing.crl",
        "/folder.crl",
        "/test-ec.0.crl",
        "/..%2fsecret.crl",
        "/%2e%2e/secret.crl",
        "/test-ec.crl/",
    ],
)
async def test_nothing_else_is_served(base: str, session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(URL(base + path, encoded=True)) as response:
        assert response.status == 404


async def test_nothing_is_changed_from_outside(base: str, session: aiohttp.ClientSession, folder: Path) -> None:
    async with session.put(f"{base}/test-ec.crl", data=b"x") as response:
        assert response.status == 405
    assert (folder / "test-ec.crl").read_bytes() == b"a list"


def test_address_of_the_newer_protocol_is_written_in_brackets() -> None:
    assert address("::1", 80) == "http://[::1]:80"
    assert address("127.0.0.1", 80) == "http://127.0.0.1:80"


LARGE = b"a list" * 5_000_000


async def connected(base: str, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that sends this and reads, of its own accord, next to nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    port = URL(base).port
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    writer.write(sent)
    return reader, writer


async def test_D7_a_client_that_is_slow_to_ask_is_let_go_and_one_that_asks_is_kept(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    async with asyncio.timeout(120), serve(folder, "127.0.0.1", 0, limits=limits(90, 0.3)) as base:
        slow = [await connected(base, sent) for sent in (b"", b"GET /", b"GET /test-ec.crl HTTP/1.1\r\nHost: x\r\n")]
        ends = asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
        while not ends.done():
            async with session.get(f"{base}/test-ec.crl") as response:
                assert await response.read() == b"a list"
            await asyncio.wait([ends], timeout=0.05)
        assert [end for end in await ends if end and not isinstance(end, ConnectionError)] == []
        for _, writer in slow:
            writer.close()


async def test_D7_a_large_crl_may_take_longer_than_a_question(folder: Path) -> None:
    (folder / "test-ec.crl").write_bytes(LARGE)
    async with asyncio.timeout(60), serve(folder, "127.0.0.1", 0, limits=limits(90, 0.1)) as base:
        reader, writer = await connected(base, b"GET /test-ec.crl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(2):
            # One that comes later and asks nothing is let go, so the patience with the first is over too.
            other, its_writer = await connected(base, b"")
            with suppress(ConnectionError):
                await other.read()
            its_writer.close()
        assert await reader.read() == LARGE
        writer.close()
