"""CRL numbers only grow, with several revokers and after crashes (D7, I8)."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from cryptography import x509
from databases import administer
from servicecert_pki.crl_reading import crl_fields, load
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL
from servicecert_revoker.crl.files import CrlFiles, Superseded
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.domain.crl_orders import Published, PublishOrder
from servicecert_revoker.domain.decide import schedule_key
from servicecert_worker.core.decider import Done, Outcome, Retry, Task

Pool: TypeAlias = "asyncpg.Pool[Any]"

NOW = datetime(2026, 11, 24, 10, 2, 3, 450_000, tzinfo=UTC)


Register = Callable[..., Awaitable[Task]]


def scheduled(issuer: str = "test-ec") -> Task:
    return Task(uuid4(), schedule_key(issuer), "publish", PublishOrder(issuer=issuer), NOW)


def done(outcome: Outcome) -> Published:
    assert isinstance(outcome, Done), outcome
    assert isinstance(outcome.data, Published)
    return outcome.data


def crl_in(files: CrlFiles, issuer: str = "test-ec") -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl((files.folder / f"{issuer}.crl").read_bytes())


def number_in(files: CrlFiles) -> int:
    return crl_fields(load((files.folder / "test-ec.crl").read_bytes())).number


def serials(crl: x509.CertificateRevocationList) -> set[int]:
    return {entry.serial_number for entry in crl}


async def numbers(pool: Pool) -> list[int]:
    return [
        row["number"] for row in await pool.fetch("select number from crls where partition = 0 order by allocated_at")
    ]


async def test_I8_number_of_a_crl_that_came_to_nothing_is_a_gap(
    publish: Publish,
    register: Register,
    ca_keys: Mapping[str, SigningKey],
    files: CrlFiles,
    pool: Pool,
    token: Callable[..., SigningKey],
) -> None:
    task = await register(1)
    dying = replace(publish, keys={"test-ec": token(ca_keys["test-ec"], refuses=True)})
    (failed,) = await dying([task])
    assert failed == Retry("The token is not there; put it back.")
    assert not (files.folder / "test-ec.crl").exists()
    (outcome,) = await publish([task])
    assert done(outcome).number == 2
    assert await numbers(pool) == [1, 2]


async def test_I8_publisher_that_dies_before_recording_repeats_no_number(
    publish: Publish, register: Register, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await register(1)
    reached = asyncio.Event()

    async def never(*_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr("servicecert_revoker.crl.places.Address.fetch_back", never)
        dying = asyncio.create_task(publish([task]))
        async with asyncio.timeout(120):
            await reached.wait()
        dying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dying
    (outcome,) = await publish([task])
    assert done(outcome).number == 2
    assert await pool.fetchval("select published_at is null from crls where number = 1")


async def test_I8_publisher_that_loses_its_lock_is_overtaken_and_repeats_no_number(
    publish: Publish, register: Register, pool: Pool, files: CrlFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await register(1)

    async def lose(*_: object) -> None:
        await pool.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")

    with monkeypatch.context() as patch:
        patch.setattr("servicecert_revoker.crl.places.Address.fetch_back", lose)
        (lost,) = await publish([task])
    assert isinstance(lost, Retry)
    assert "A pass broke off" in lost.reason
    (outcome,) = await publish([task])
    assert done(outcome).number == number_in(files) == 2


async def test_I8_number_grows_over_a_published_one_that_the_database_forgot(
    publish: Publish, pool: Pool, files: CrlFiles
) -> None:
    await publish([scheduled()])
    await publish([scheduled()])
    await administer(pool, "truncate crls")
    (outcome,) = await publish([scheduled()])
    assert done(outcome).number == 3


async def test_D7_two_publishers_at_once_keep_numbers_growing_and_the_last_has_all(
    publish: Publish, register: Register, pool: Pool, files: CrlFiles
) -> None:
    other = replace(publish)
    tasks = [await register(serial) for serial in range(1, 13)]

    async def one_by_one(each: Publish, tasks: list[Task]) -> list[Published]:
        return [done(outcome) for task in tasks for outcome in await each([task])]

    rounds = await asyncio.gather(one_by_one(publish, tasks[::2]), one_by_one(other, tasks[1::2]))
    outcomes = [*rounds[0], *rounds[1]]
    assert sorted(outcome.number for outcome in outcomes) == list(range(1, 13))
    assert await numbers(pool) == list(range(1, 13))
    assert number_in(files) == 12
    assert serials(crl_in(files)) == set(range(1, 13))


async def test_I7_sleeper_does_not_bring_back_an_older_list(
    publish: Publish, files: CrlFiles, register: Register
) -> None:
    await publish([scheduled()])
    older = files.folder / "older"
    shutil.copy(files.folder / "test-ec.crl", older)
    await publish([await register(1)])
    with pytest.raises(Superseded, match="number 2 is published"):
        files.put_crl(publish.authority.issuer("test-ec"), FULL, older, 1)
    assert serials(crl_in(files)) == {1}


async def test_D7_orders_that_come_during_a_pass_share_the_next_one(
    publish: Publish, register: Register, files: CrlFiles, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most one pass at a time, whatever number of orders comes meanwhile."""
    tasks = [await register(serial, partition=1 + serial % 3) for serial in range(1, 10)]
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        reached.set()
        await go_on.wait()

    monkeypatch.setattr("servicecert_revoker.crl.places.Address.fetch_back", slow)
    first = asyncio.create_task(publish(tasks[:1]))
    async with asyncio.timeout(120):
        await reached.wait()
    rest = [asyncio.create_task(publish([task])) for task in tasks[1:]]
    await asyncio.sleep(0)
    go_on.set()
    outcomes = [done(outcome) for each in (first, *rest) for outcome in await each]
    assert [outcome.number for outcome in outcomes] == [1, *[2] * 8]
    assert [outcome.crl.partition for outcome in outcomes] == [task.data.partition for task in tasks]
    assert [bool(outcome.announced) for outcome in outcomes] == [True, True, *[False] * 7]
    assert await numbers(pool) == [1, 2]
