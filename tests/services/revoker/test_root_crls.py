"""The roots' CRLs: brought from the authority's folder to the world, past their gates, or not at all (D7)."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.keyring import read_passphrases
from servicecert_pki.profile import Environment
from servicecert_pki.root_crl import copy_root_crls, make_root_crls
from servicecert_revoker.crl_files import CrlFiles
from servicecert_revoker.crl_server import serve
from servicecert_revoker.effects import Publish
from servicecert_revoker.gates import GateFailed
from servicecert_revoker.gauges import Tally
from servicecert_revoker.publication import PublishOrder
from servicecert_revoker.root_crls import RootCrls, check_root
from servicecert_worker.decider import Task

MADE = datetime(2026, 1, 1, tzinfo=UTC)
LATER = MADE + timedelta(days=100)


@pytest.fixture
def offline(authority: Authority, tmp_path: Path) -> Path:
    shutil.copytree(offline_folder(authority.directory), tmp_path / "offline")
    return tmp_path / "offline"


@pytest.fixture
def ca(authority: Authority, tmp_path: Path) -> Authority:
    shutil.copytree(authority.directory, tmp_path / "ca")
    return Authority.load(tmp_path / "ca")


@pytest.fixture
def secrets(passphrase_file: Path) -> Mapping[Environment, bytes]:
    return read_passphrases(passphrase_file)


@pytest.fixture
async def roots(ca: Authority, files: CrlFiles) -> AsyncIterator[RootCrls]:
    async with serve(files.folder, "127.0.0.1", 0) as base, aiohttp.ClientSession() as session:
        yield RootCrls(ca, files, (), base, session, Tally(), lambda: LATER)


def served(files: CrlFiles) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl((files.folder / "test-root-ec.crl").read_bytes())


def number(files: CrlFiles) -> int:
    return served(files).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


async def test_D7_a_newer_crl_of_a_root_is_published_with_the_planned_ones_without_a_restart(
    roots: RootCrls,
    publish: Publish,
    files: CrlFiles,
    offline: Path,
    ca: Authority,
    secrets: Mapping[Environment, bytes],
) -> None:
    await roots.begin()
    assert number(files) == 1
    assert (await roots.valid())["test-root-ec.crl"] == timedelta(days=265).total_seconds()
    assert set(await roots.ages()) == {f"{id}.crl" for id in ca.roots}
    make_root_crls(offline, secrets, LATER, 30, [("test-ec", "ca-compromise")])
    copy_root_crls(offline, ca.directory)
    planned = Task(uuid4(), "crl/test-ec/0", "publish", PublishOrder(issuer="test-ec"), LATER)
    await roots.beside(publish)([planned])
    assert number(files) == 2
    (entry,) = served(files)
    assert entry.serial_number == x509.load_der_x509_certificate(ca.issuer("test-ec").certificate_der).serial_number
    assert (await roots.entries())["test-root-ec.crl"] == 1
    assert not any((await roots.tally.gates()).values())
    assert not any((await roots.tally.failures()).values())


async def test_D7_an_older_crl_of_a_root_leaves_the_newer_one_and_an_alarm_says_which_gate(
    roots: RootCrls,
    files: CrlFiles,
    offline: Path,
    ca: Authority,
    secrets: Mapping[Environment, bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = (ca.directory / "crls" / "test-root-ec.crl").read_bytes()
    make_root_crls(offline, secrets, LATER, 20)
    copy_root_crls(offline, ca.directory)
    await roots.begin()
    assert "alarm: the CRL of test-root-ec is good for 20 days" in caplog.text
    (ca.directory / "crls" / "test-root-ec.crl").write_bytes(old)
    await roots.begin()
    assert number(files) == 2
    assert (await roots.tally.gates())["number"] == 1
    assert "gate number" in caplog.text


@pytest.mark.parametrize(
    ("gate", "spoilt"),
    [
        ("readable", lambda crl, _: crl[:-1]),
        ("signature", lambda crl, _: crl[:-1] + bytes([crl[-1] ^ 1])),
        ("signature", lambda _, ca: (ca.directory / "crls" / "production-root-ec.crl").read_bytes()),
    ],
)
def test_D7_what_is_not_the_roots_is_stopped(
    ca: Authority, gate: str, spoilt: Callable[[bytes, Authority], bytes]
) -> None:
    crl = (ca.directory / "crls" / "test-root-ec.crl").read_bytes()
    with pytest.raises(GateFailed) as failed:
        check_root(spoilt(crl, ca), ca.roots["test-root-ec"], None, LATER)
    assert failed.value.gate == gate


@pytest.mark.parametrize("now", [MADE - timedelta(seconds=1), MADE + timedelta(days=365)])
def test_D7_a_crl_of_a_root_that_does_not_hold_now_is_stopped(ca: Authority, now: datetime) -> None:
    crl = (ca.directory / "crls" / "test-root-ec.crl").read_bytes()
    with pytest.raises(GateFailed, match="does not hold now"):
        check_root(crl, ca.roots["test-root-ec"], None, now)


def test_D7_no_revoked_ca_comes_back(
    ca: Authority, offline: Path, tmp_path: Path, secrets: Mapping[Environment, bytes]
) -> None:
    another = shutil.copytree(offline, tmp_path / "another")
    make_root_crls(offline, secrets, LATER, 30, [("test-ec", "superseded")])
    for _ in range(2):
        make_root_crls(another, secrets, LATER, 30)
    published, forgetful = ((folder / "crls" / "test-root-ec.crl").read_bytes() for folder in (offline, another))
    with pytest.raises(GateFailed) as failed:
        check_root(forgetful, ca.roots["test-root-ec"], published, LATER)
    assert failed.value.gate == "vanished"


async def test_D7_openssl_checks_an_issuing_ca_with_the_published_crl_of_its_root(
    roots: RootCrls,
    files: CrlFiles,
    ca: Authority,
    offline: Path,
    secrets: Mapping[Environment, bytes],
    tmp_path: Path,
) -> None:
    await roots.begin()
    assert await _openssl(files, ca, tmp_path) == (0, "OK")
    make_root_crls(offline, secrets, LATER, 200, [("test-ec", "ca-compromise")])
    copy_root_crls(offline, ca.directory)
    await roots.begin()
    code, said = await _openssl(files, ca, tmp_path)
    assert (code, said) == (2, "certificate revoked")


async def _openssl(files: CrlFiles, ca: Authority, tmp_path: Path) -> tuple[int, str]:
    """Check the issuing CA's certificate against the root's CRL that is published."""
    crl = tmp_path / "root.crl.pem"
    crl.write_bytes(served(files).public_bytes(Encoding.PEM))
    root, issuing = ca.directory / "roots" / "test-root-ec.pem", ca.directory / "issuing" / "test-ec.pem"
    moment = str(int((LATER + timedelta(seconds=1)).timestamp()))
    command: list[Any] = ["openssl", "verify", "-attime", moment, "-crl_check_all", "-CAfile", root, "-CRLfile", crl]
    done = await asyncio.create_subprocess_exec(
        *command, issuing, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = (text.decode() for text in await done.communicate())
    return done.returncode or 0, "OK" if "OK" in out else "certificate revoked" if "certificate revoked" in err else err
