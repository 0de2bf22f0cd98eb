"""The roots' CRLs: checked and published from the authority's folder, or not at all (D7)."""

import asyncio
import shutil
from asyncio import timeout
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
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
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keyring import read_passphrases
from servicecert_pki.profile import Environment
from servicecert_pki.root_crl import copy_root_crls, make_root_crls
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.gauges import CrlStats
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Address, Distribution, Publisher
from servicecert_revoker.crl.served import RootCrls, Served
from servicecert_revoker.domain.crl_orders import PublishOrder
from servicecert_revoker.serving.crl_server import serve
from servicecert_worker.core.decider import Task
from services.revoker.bucket import Storage

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
        yield RootCrls(ca, files, Distribution(base, (), Address(base, session)), CrlStats(), lambda: LATER)


@dataclass(frozen=True)
class Recording:
    """Hands on to another publisher, and tells of what that one took."""

    publisher: Publisher
    took: "asyncio.Queue[tuple[str, int]]" = field(default_factory=asyncio.Queue)

    @property
    def name(self) -> str:
        return self.publisher.name

    async def put(self, file: str, made: Path, number: int, issuer: IssuerInfo) -> None:
        await self.publisher.put(file, made, number, issuer)
        self.took.put_nowait((file, number))

    async def of(self, file: str, number: int) -> None:
        """Return once it took that one."""
        while await self.took.get() != (file, number):
            pass


def watched(roots: RootCrls, publish: Publish) -> Served:
    """A revoker's look at what is served, as often as it can."""
    return Served(replace(publish.runner, distribution=roots.distribution), roots, every=0.01)


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
    await roots.check()
    assert number(files) == 1
    valid = await roots.valid_seconds()
    assert valid["test-root-ec.crl"] == (LATER + timedelta(days=265) - roots.clock()).total_seconds()
    assert set(valid) == {f"{id}.crl" for id in ca.roots}
    make_root_crls(offline, secrets, LATER, 30, [("test-ec", "ca-compromise")])
    copy_root_crls(offline, ca.directory)
    planned = Task(uuid4(), "crl/test-ec/0", "publish", PublishOrder(issuer="test-ec"), LATER)
    await roots.publish_with_scheduled(publish)([planned])
    await roots.check()
    assert number(files) == 2
    (entry,) = served(files)
    assert entry.serial_number == x509.load_der_x509_certificate(ca.issuer("test-ec").certificate_der).serial_number
    assert not any(roots.stats.gates.values())
    assert not any(roots.stats.failures.values())


@dataclass(frozen=True)
class Taking:
    """A publisher that nobody can look into."""

    name: str = "command"
    took: list[str] = field(default_factory=list)

    async def put(self, file: str, made: Path, number: int, issuer: IssuerInfo) -> None:
        self.took.append(file)


async def test_D7_the_crls_of_roots_are_published_again_with_the_planned_ones(
    roots: RootCrls, publish: Publish, offline: Path, ca: Authority
) -> None:
    taking = Taking()
    roots = replace(roots, distribution=replace(roots.distribution, publishers=(taking,)), stats=CrlStats(["command"]))
    for _ in range(2):
        await roots.check()
    assert set(taking.took) == {f"{id}.crl" for id in ca.roots}
    assert len(taking.took) == len(ca.roots)
    one, planned = (PublishOrder(issuer="test-ec", serial=serial) for serial in ("1", None))
    for order, times in ((one, 1), (planned, 2)):
        await roots.publish_with_scheduled(publish)([Task(uuid4(), "crl/test-ec/0", "publish", order, LATER)])
        await roots.check()
        assert len(taking.took) == times * len(ca.roots)


async def test_D7_a_file_that_fails_a_gate_keeps_the_published_one_from_no_place(
    roots: RootCrls, ca: Authority, files: CrlFiles
) -> None:
    await roots.check()
    (ca.directory / "crls" / "test-root-ec.crl").write_bytes(b"no list")
    taking = Taking()
    again = replace(roots, distribution=replace(roots.distribution, publishers=(taking,)), stats=CrlStats(["command"]))
    for _ in range(2):
        await again.check()
    assert set(taking.took) == {f"{id}.crl" for id in ca.roots}
    assert again.stats.gates["readable"] == 1, "it is checked again when it changes"


async def test_D7_F6_a_crl_of_a_root_whose_time_has_not_come_is_published_once_it_has(
    roots: RootCrls, files: CrlFiles, offline: Path, ca: Authority, secrets: Mapping[Environment, bytes]
) -> None:
    now = [LATER]
    roots = replace(roots, clock=lambda: now[0])
    await roots.check()
    make_root_crls(offline, secrets, LATER + timedelta(hours=1), 30, [("test-ec", "ca-compromise")])
    copy_root_crls(offline, ca.directory)
    await roots.check()
    assert number(files) == 1
    assert roots.stats.gates["times"] > 0
    now[0] += timedelta(hours=1)
    await roots.check()
    assert number(files) == 2


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
    await roots.check()
    assert "The CRL of root test-root-ec expires in 20 days" in caplog.text
    (ca.directory / "crls" / "test-root-ec.crl").write_bytes(old)
    await roots.check()
    assert number(files) == 2
    assert roots.stats.gates["number"] == 1
    assert "gate number" in caplog.text


async def test_D7_revoked_ca_does_not_wait_for_a_planned_crl(
    roots: RootCrls,
    files: CrlFiles,
    offline: Path,
    ca: Authority,
    secrets: Mapping[Environment, bytes],
    object_storage: Storage,
    tmp_path: Path,
    publish: Publish,
) -> None:
    bucket = object_storage.bucket(tmp_path, roots.authority.roots["test-root-ec"])
    recording = Recording(bucket.publisher)
    served_from = replace(roots.distribution, publishers=(recording,))
    watching = watched(replace(roots, distribution=served_from), publish)
    async with watching.watching(lambda: None), timeout(120):
        await recording.of("test-root-ec.crl", 1)
        make_root_crls(offline, secrets, LATER, 30, [("test-ec", "ca-compromise")])
        copy_root_crls(offline, ca.directory)
        await recording.of("test-root-ec.crl", 2)
    assert len(served(files)) == 1
    assert bucket.read("test-root-ec.crl") == (files.folder / "test-root-ec.crl").read_bytes()


@dataclass(frozen=True)
class Failing:
    """A publisher that raises what no publisher should, and tells how often."""

    raised: BaseException
    name: str = "s3"
    tries: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    async def put(self, file: str, made: Path, number: int, issuer: IssuerInfo) -> None:
        self.tries.put_nowait(file)
        raise self.raised


@pytest.mark.parametrize("fault", [ZeroDivisionError(), asyncio.CancelledError()], ids=["defect", "cancelled"])
async def test_D7_the_roots_crls_are_looked_at_again_whatever_ends_a_look(
    roots: RootCrls, publish: Publish, fault: BaseException
) -> None:
    failing = Failing(fault)
    watching = watched(replace(roots, distribution=replace(roots.distribution, publishers=(failing,))), publish)
    async with watching.watching(lambda: None), timeout(120):
        for _ in range(3):
            await failing.tries.get()


async def test_D7_publisher_that_fails_is_seen_and_gets_the_roots_crls_at_the_next_look(
    roots: RootCrls, object_storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = object_storage.bucket(tmp_path, roots.authority.roots["test-root-ec"])
    into = replace(
        roots, distribution=replace(roots.distribution, publishers=(bucket.publisher,)), stats=CrlStats(["s3"])
    )
    object_storage.gateway.fault = 500
    await into.check()
    object_storage.gateway.heal()
    assert into.stats.failures == {"folder": 0, "s3": 4, "address": 0}
    assert "The CRL of test-root-ec is not published: The storage answers 500" in caplog.text
    await into.check()
    assert bucket.read("test-root-ec.crl") == (into.files.folder / "test-root-ec.crl").read_bytes()
    object_storage.gateway.answered.clear()
    await into.check()
    assert object_storage.gateway.answered == [], "What has arrived is left alone until it changes."


async def test_I7_root_crl_that_is_not_fetched_back_is_seen_and_tried_again(roots: RootCrls, tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    async with serve(elsewhere, "127.0.0.1", 0) as base:
        address = replace(roots.distribution.address, url=base)
        astray = replace(roots, distribution=replace(roots.distribution, address=address))
        for looks in (1, 2):
            await astray.check()
            assert astray.stats.failures["address"] == 4 * looks
        for file in roots.files.folder.glob("*-root-*.crl"):
            shutil.copy(file, elsewhere)
        await astray.check()
        await astray.check()
    assert astray.stats.failures["address"] == 8


async def test_I8_same_crl_that_another_revoker_brings_meanwhile_is_no_failure(
    roots: RootCrls, files: CrlFiles
) -> None:
    class Busy(CrlFiles):
        """Another revoker is always a little earlier."""

        def put_crl(self, issuer: IssuerInfo, partition: int, made: Path, number: int) -> None:
            files.put_crl(issuer, partition, shutil.copy(made, made.with_suffix(".first")), number)
            super().put_crl(issuer, partition, made, number)

    second = replace(roots, files=Busy(files.folder))
    await second.check()
    assert number(files) == 1
    assert not any(second.stats.failures.values())


async def test_D7_file_that_cannot_be_read_is_a_gate_that_fails(
    roots: RootCrls, ca: Authority, files: CrlFiles
) -> None:
    (ca.directory / "crls" / "test-root-ec.crl").unlink()
    (ca.directory / "crls" / "test-root-ec.crl").mkdir()
    await roots.check()
    assert roots.stats.gates["readable"] == 1
    assert (files.folder / "test-root-rsa.crl").exists()


async def test_D7_openssl_checks_an_issuing_ca_with_the_published_crl_of_its_root(
    roots: RootCrls,
    files: CrlFiles,
    ca: Authority,
    offline: Path,
    secrets: Mapping[Environment, bytes],
    tmp_path: Path,
) -> None:
    await roots.check()
    assert await _openssl(files, ca, tmp_path) == (0, "OK")
    make_root_crls(offline, secrets, LATER, 200, [("test-ec", "ca-compromise")])
    copy_root_crls(offline, ca.directory)
    await roots.check()
    code, output = await _openssl(files, ca, tmp_path)
    assert (code, output) == (2, "certificate revoked")


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
