"""A group's coordinator that does not exist yet, or has not loaded its state yet, is asked again."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError
from servicecert_cli.admin import groups
from servicecert_launcher import Kafka
from servicecert_worker.kafka.internals import GroupMember

LOADING, NOT_COORDINATOR, NOT_ALLOWED = 14, 16, 30
WORKER = ("member", "client", "/host", b"", b"")


class Admin:
    """A cluster that has just lost a broker: first there is no coordinator, then it responds with these codes."""

    def __init__(self, *codes: int) -> None:
        self._client = self
        self._codes = iter(codes)
        self._is_there = False

    def get_random_node(self) -> int:
        return 1

    async def coordinator_lookup(self, kind: int, group: str) -> int:
        if not self._is_there:
            self._is_there = True
            raise GroupCoordinatorNotAvailableError
        return 1

    async def send(self, broker: int, request: Any) -> Any:
        code = next(self._codes)
        return SimpleNamespace(groups=[(code, "toy", "", "", "", [] if code else [WORKER], None)])


async def test_workers_are_not_overlooked_while_the_coordinator_loads_its_state() -> None:
    assert await groups.members(Admin(LOADING, NOT_COORDINATOR, LOADING, 0), "toy") == [GroupMember("member", "client")]


async def test_another_error_is_raised_at_once() -> None:
    with pytest.raises(GroupAuthorizationFailedError):
        await groups.members(Admin(NOT_ALLOWED), "toy")


async def test_a_missing_coordinator_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(groups, "_COORDINATOR_SECONDS", 0.0)
    with pytest.raises(GroupCoordinatorNotAvailableError):
        await groups.members(Admin(), "toy")


@pytest.fixture
def new_broker() -> Iterator[Kafka]:
    broker = Kafka()
    broker.start()
    yield broker
    broker.stop()


async def test_the_first_question_after_a_group_makes_the_topic_of_offsets(new_broker: Kafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=new_broker.bootstrap)
    await admin.start()
    try:
        assert await groups.committed(admin, "toy") == {}
        assert await groups.members(admin, "toy") == []
    finally:
        await admin.close()
