"""Topics are created although a busy broker does not answer in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import RequestTimedOutError, TopicAuthorizationFailedError
from servicecert_cli.admin.topics import create
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster
from toy.stand import TOPICS


def failing_once(monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
    """Make a method of the client do its work, and raise the error at its first call."""
    original = getattr(AIOKafkaAdminClient, method)
    errors: Iterator[Exception] = iter([error])

    async def call(client: AIOKafkaAdminClient, *arguments: Any) -> Any:
        answer = await original(client, *arguments)
        for each in errors:
            raise each
        return answer

    monkeypatch.setattr(AIOKafkaAdminClient, method, call)


@pytest.mark.parametrize("method", ["create_topics", "describe_topics"])
async def test_what_a_busy_broker_did_not_answer_is_asked_again(empty_cluster: Cluster, monkeypatch, method) -> None:
    failing_once(monkeypatch, method, RequestTimedOutError())
    await create(empty_cluster, TOPICS)
    assert await create(empty_cluster, TOPICS) == []


async def test_what_no_repetition_mends_ends_at_once(empty_cluster: Cluster, monkeypatch) -> None:
    failing_once(monkeypatch, "describe_topics", TopicAuthorizationFailedError())
    with pytest.raises(OperatorError):
        await create(empty_cluster, TOPICS)
