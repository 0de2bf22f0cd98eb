"""If publishing fails, relying parties see the old CRL or the new one, and operators the failure (D7, I7)."""

import errno
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from databases import administer
from figures import figures_of
from servicecert_pki.issuer import IssuerInfo
from servicecert_revoker.crl import crl_pass
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.gauges import CrlStats, gauges
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Address, CommandPublisher, NotPublished, Publisher
from servicecert_revoker.domain.crl_orders import PublishOrder
from servicecert_revoker.domain.decide import schedule_key
from servicecert_revoker.serving.crl_server import serve
from servicecert_worker.core.decider import Done, Outcome, Retry, Task
from services.revoker.bucket import Storage

Pool: TypeAlias = "asyncpg.Pool[Any]"
Register = Callable[..., Awaitable[Task]]

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)


def scheduled(issuer: str = "test-ec") -> Task:
    return Task(uuid4(), schedule_key(issuer), "publish", PublishOrder(issuer=issuer), NOW)


def served(files: CrlFiles) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files.folder.glob("[!.]*")}


def stopped(outcome: Outcome) -> str:
    assert isinstance(outcome, Retry), outcome
    return outcome.reason


def command(program: str, *arguments: Path | str) -> CommandPublisher:
    return CommandPublisher((sys.executable, "-c", program, *map(str, arguments)), seconds=20)


def through(publish: Publish, publisher: Publisher, base_url: str | None = None) -> Publish:
    before = publish.runner.distribution
    base_url = base_url or before.base_url
    address = replace(before.address, url=base_url)
    distribution = replace(before, publishers=(publisher,), base_url=base_url, address=address)
    runner = replace(publish.runner, distribution=distribution)
    return replace(publish, runner=runner, stats=CrlStats([publisher.name]))


@pytest.mark.parametrize("step", ["servicecert_pki.crl.os.fsync", "servicecert_pki.crl.CrlFile.add"])
async def test_D7_full_disk_leaves_the_old_crls_and_nothing_else(
    publish: Publish, register: Register, files: CrlFiles, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await publish([scheduled()])
    before, task = served(files), await register(1, partition=2)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(step, full)
        (outcome,) = await publish([task])
    assert "No space left" in stopped(outcome)
    assert served(files) == before
    assert publish.stats.failures["folder"] == 1
    (outcome,) = await publish([task])
    assert isinstance(outcome, Done)


async def test_I7_what_the_database_forgot_is_not_taken_off_the_crl(
    publish: Publish, register: Register, files: CrlFiles, pool: Pool
) -> None:
    """As after a restore from a backup that is older than the revocation."""
    await publish([await register(1, partition=2)])
    before = served(files)
    await administer(pool, "alter table revocations disable trigger revocations_stay")
    await administer(pool, "delete from revocations")
    (outcome,) = await publish([scheduled()])
    assert "gate vanished: 1 unexpired entries" in stopped(outcome)
    assert served(files) == before
    assert publish.stats.gates["vanished"] == 1


async def test_D7_partition_that_somebody_changed_is_made_anew(
    publish: Publish, register: Register, files: CrlFiles
) -> None:
    await publish([await register(1, partition=2)])
    (files.folder / "test-ec.2.crl").write_bytes(b"garbage")
    (files.folder / "test-ec.3.crl").unlink()
    (outcome,) = await publish([await register(2, partition=1)])
    assert isinstance(outcome, Done)
    assert {crl.partition: crl.entries for crl in outcome.data.announced} == {0: 2, 1: 1, 2: 1, 3: 0}


async def test_D7_serial_number_moved_to_another_partition_behind_our_back_stops_at_a_gate(
    publish: Publish, register: Register, files: CrlFiles, pool: Pool
) -> None:
    await publish([scheduled()])
    await publish([await register(1, partition=1), await register(2, partition=2)])
    before = served(files)
    await administer(pool, "alter table revocations disable trigger revocations_final")
    await administer(pool, "update revocations set partition = 3 - partition")
    (outcome,) = await publish([await register(3, partition=1)])
    assert "gate vanished" in stopped(outcome)
    assert served(files) == before


async def test_D7_command_gets_each_crl_and_no_secret(
    publish: Publish, register: Register, files: CrlFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret/secret")
    there = tmp_path / "there"
    there.mkdir()
    copy = (
        "import os, shutil, sys; assert 'DATABASE_URL' not in os.environ;"
        "shutil.copy(sys.argv[2], os.path.join(sys.argv[1], os.environ['SERVICECERT_CRL_NAME']))"
    )
    async with serve(there, "127.0.0.1", 0) as base:
        (outcome,) = await through(publish, command(copy, there), base)([await register(1, partition=2)])
    assert isinstance(outcome, Done), outcome
    assert {path.name: path.read_bytes() for path in there.iterdir()} == served(files)


async def test_D4_what_a_slow_publisher_has_is_fetched_and_announced_before_it_has_all(
    publish: Publish, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Slow:
        name: str = "slow"
        seconds: float = 0.0

        async def put(self, file: str, made: Path, number: int, issuer: IssuerInfo) -> None:
            self.seconds += 50

    slow = Slow()
    monkeypatch.setattr(crl_pass, "monotonic", lambda: slow.seconds)
    into = through(publish, slow)
    (outcome,) = await into([await register(1, partition=2)])
    assert isinstance(outcome, Done), outcome
    assert {crl.partition for crl in outcome.data.announced} == {0, 2}
    task = scheduled()
    assert [type(*await into([task])) for _ in range(3)] == [Retry, Retry, Done]


async def test_D7_truncated_upload_tells_nobody(publish: Publish, register: Register, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    half = (
        "import os, sys; content = open(sys.argv[2], 'rb').read();"
        "open(os.path.join(sys.argv[1], os.environ['SERVICECERT_CRL_NAME']), 'wb').write(content[:len(content) // 2])"
    )
    async with serve(there, "127.0.0.1", 0) as base:
        cutting = through(publish, command(half, there), base)
        (outcome,) = await cutting([await register(1)])
    assert "Another CRL" in stopped(outcome)
    assert cutting.stats.failures["address"] == 1


async def test_D7_truncated_upload_to_a_bucket_tells_nobody_and_the_next_one_arrives(
    publish: Publish, register: Register, files: CrlFiles, object_storage: Storage, tmp_path: Path, pool: Pool
) -> None:
    bucket = object_storage.bucket(tmp_path, publish.authority.issuer("test-ec"))
    into = through(publish, bucket.publisher)
    object_storage.gateway.keeps = 0.5
    (outcome,) = await into([task := await register(1, partition=2)])
    object_storage.gateway.heal()
    assert "Another CRL than the one put is read back from bucket" in stopped(outcome)
    assert into.stats.failures == {"folder": 0, "s3": 1, "address": 0}
    assert await pool.fetchval("select count(*) from crls where published_at is not null") == 0
    (outcome,) = await into([task])
    assert isinstance(outcome, Done), outcome
    assert {name: bucket.read(name) for name in served(files)} == served(files)


@pytest.mark.parametrize(
    ("publisher", "sentence"),
    [
        (command("raise SystemExit(3)"), "ends with exit code 3"),
        (CommandPublisher(("/nowhere/upload",)), "cannot be started"),
        (replace(command("import time; time.sleep(60)"), seconds=0.1), "takes longer than"),
    ],
)
async def test_D7_command_that_fails_is_tried_again_and_seen(
    publish: Publish, register: Register, pool: Pool, publisher: CommandPublisher, sentence: str
) -> None:
    failing = through(publish, publisher)
    (outcome,) = await failing([task := await register(1)])
    assert sentence in stopped(outcome)
    assert "SERVICECERT_CRL_PUBLISH_COMMAND" in stopped(outcome)
    assert failing.stats.failures == {"folder": 0, "command": 1, "address": 0}
    assert await pool.fetchval("select count(*) from crls where published_at is not null") == 0
    (outcome,) = await publish([task])
    assert isinstance(outcome, Done)


async def test_I7_address_that_answers_500_is_not_published() -> None:
    async def fail(_: web.Request) -> web.Response:
        raise web.HTTPInternalServerError

    served = web.Application()
    served.router.add_get("/x.crl", fail)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as session:
            address = Address(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
            with pytest.raises(NotPublished, match="ClientResponseError"):
                await address.fetch_back("x.crl", "0" * 64)
    finally:
        await runner.cleanup()


async def test_D7_health_of_the_published_crls_is_shown(
    publish: Publish, register: Register, pool: Pool, clock: Any
) -> None:
    await publish([await register(1, partition=2)])
    clock.now = clock.now.replace(microsecond=0, hour=11)
    shown: dict[str, Any] = dict(await figures_of(pool, clock.now))
    shown |= {gauge.name: gauge.read for gauge in gauges({}, publish.stats)}
    # A partition that no certificate names is nobody's.
    names = {"test-ec.crl", "test-ec.2.crl"}
    assert set(shown["servicecert_crl_age_seconds"]) == names
    assert set(shown["servicecert_crl_age_seconds"].values()) == {3600.0}
    assert set(shown["servicecert_crl_valid_seconds"].values()) == {71 * 3600.0}
    assert shown["servicecert_crl_entries"] == dict.fromkeys(names, 1.0)
    assert set(shown["servicecert_crl_pass_seconds"]) == {"test-ec"}
    assert not any(shown["servicecert_crl_gate_failures"].values())
