"""What relying parties fetch, and what nobody fetches."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from servicecert_revoker.crl_server import address, serve
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
