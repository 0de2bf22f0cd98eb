"""Any history of a CA's certificates: its CRLs list what a naive model lists (D7, I7, I8)."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from cryptography import x509
from databases import administer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servicecert_pki.partitions import FULL, crl_name, partition_of
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Address
from servicecert_revoker.domain.crl_orders import PublishOrder
from servicecert_revoker.domain.decide import schedule_key
from servicecert_worker.core.decider import Done, Task

Pool: TypeAlias = "asyncpg.Pool[Any]"
Register = Callable[..., Awaitable[Task]]

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
PARTITIONS = 3

# A revocation or a void certificate that expires in so many hours; a pass; a scheduled one; time; a crash in a pass.
steps = st.one_of(
    st.tuples(st.sampled_from(["revoke", "void"]), st.integers(1, 90)),
    st.tuples(st.just("publish"), st.just(0)),
    st.tuples(st.just("schedule"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("die"), st.integers(0, 4)),
)


class Died(BaseException):
    """What no part of a pass catches."""


@dataclass
class Model:
    """What is revoked, until when, and what the last scheduled pass saw."""

    expiry: dict[int, datetime] = field(default_factory=dict)
    asked: dict[int, Task] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)
    last_schedule: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    numbers: dict[int, int] = field(default_factory=dict)

    def listed(self, also: Iterable[int]) -> set[int]:
        return {serial for serial, until in self.expiry.items() if until >= self.last_schedule} | set(also)


def read(files: CrlFiles, partition: int) -> tuple[int, set[int]] | None:
    path = files.folder / crl_name("test-ec", partition)
    if not path.exists():
        return None
    crl = x509.load_der_x509_crl(path.read_bytes())
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return number, {entry.serial_number for entry in crl}


class History:
    def __init__(self, publish: Publish, register: Register, clock: Any) -> None:
        self.publish, self.register, self.clock = publish, register, clock
        self.files, self.model, self.drawn = publish.runner.files, Model(), 0

    async def revoke(self, hours: int, *, void: bool) -> None:
        self.drawn += 1
        until = self.clock.now + timedelta(hours=hours)
        task = await self.register(
            self.drawn, not_after=until, partition=partition_of(self.drawn, PARTITIONS), void=void
        )
        self.model.expiry[self.drawn] = until
        self.model.asked[self.drawn] = task

    async def go(self, *, scheduled: bool) -> None:
        order = PublishOrder(issuer="test-ec")
        tasks = list(self.model.asked.values())
        if scheduled:
            tasks.append(Task(uuid4(), schedule_key("test-ec"), "publish", order, self.clock.now))
        if not tasks:
            return
        outcomes = await self.publish(tasks)
        assert all(isinstance(it, Done) for it in outcomes), outcomes
        expected = self.model.listed(self.model.asked)
        for partition in range(PARTITIONS + 1):
            published = read(self.files, partition)
            assert published is not None
            own = {it for it in expected if partition in (FULL, partition_of(it, PARTITIONS))}
            assert published[1] == own, partition
        self.model.reported |= set(self.model.asked)
        self.model.asked.clear()
        if scheduled:
            self.model.last_schedule = self.clock.now

    async def die(self, at: int) -> None:
        """In a pass, before the CRL of that place is fetched back."""
        tasks, left = list(self.model.asked.values()), at

        async def fetch_back(address: Address, file: str, digest: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Died

        if tasks:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Address, "fetch_back", fetch_back)
                try:
                    await self.publish(tasks)
                except Died:
                    pass
                else:
                    self.model.reported |= set(self.model.asked)
                    self.model.asked.clear()

    def check(self) -> None:
        """I7, I8: a reported certificate is on both CRLs until it expires; numbers grow."""
        for partition in range(PARTITIONS + 1):
            published = read(self.files, partition)
            if published is None:
                continue
            number, serials = published
            assert number >= self.model.numbers.get(partition, 0)
            self.model.numbers[partition] = number
            reported = {it for it in self.model.reported if partition in (FULL, partition_of(it, PARTITIONS))}
            assert {it for it in reported if self.model.expiry[it] >= self.clock.now} <= serials


async def emptied(pool: Pool, files: CrlFiles) -> None:
    for path in files.folder.iterdir():
        path.unlink()
    await administer(pool, "truncate crls, revocations, statuses cascade")


# What hypothesis would show of a failure is the fixtures' whole content.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(steps, min_size=1, max_size=10))
async def test_I7_I8_D7_crls_are_those_of_a_naive_model(
    publish: Publish, register: Register, clock: Any, pool: Pool, history: list[tuple[str, int]]
) -> None:
    await emptied(pool, publish.runner.files)
    clock.now = NOW
    played = History(publish, register, clock)
    for step, number in history:
        match step:
            case "revoke" | "void":
                await played.revoke(number, void=step == "void")
            case "wait":
                clock.now += timedelta(hours=number)
            case "die":
                await played.die(number)
            case _:
                await played.go(scheduled=step == "schedule")
        played.check()
    clock.now += timedelta(hours=1)
    await played.go(scheduled=True)
    played.check()
