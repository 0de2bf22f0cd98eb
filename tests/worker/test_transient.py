"""Which errors a retry can mend: a lost connection, and no argument that a database cannot take."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError
from servicecert_launcher import Parts
from servicecert_worker.core.faults import is_transient, on_transient


async def test_f5_only_a_lost_connection_is_an_outage_of_the_database(parts: Parts) -> None:
    pool = await asyncpg.create_pool(parts.database_url, min_size=1, max_size=1)
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.DataError) as argument:
            await connection.fetchval("select $1::int", 1 << 40)
        connection.terminate()
        with pytest.raises(asyncpg.InterfaceError) as lost:
            await connection.fetchval("select 1")
    with pytest.raises(asyncpg.InterfaceError) as released:
        await connection.fetchval("select 1")
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError) as closed:
        await pool.fetchval("select 1")
    assert not is_transient(argument.value)
    assert [is_transient(each.value) for each in (lost, released, closed)] == [True] * 3


def test_f5_misuse_of_a_client_is_a_defect() -> None:
    assert is_transient(KafkaConnectionError())
    for text in ("cannot use custom codec on type a.b", "the server expects 1 argument for this query, 2 were passed"):
        assert not is_transient(asyncpg.InterfaceError(text))


def test_f5_what_is_transient_is_noted_and_what_is_not_ends_the_block() -> None:
    def act(error: Exception) -> None:
        raise error

    noted: list[Exception] = []
    away = KafkaConnectionError()
    with on_transient(noted.append):
        act(away)
    assert noted == [away]
    with pytest.raises(ZeroDivisionError), on_transient(noted.append):
        act(ZeroDivisionError())
    assert noted == [away]
