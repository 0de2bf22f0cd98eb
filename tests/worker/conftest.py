"""A stand for the toy service, one for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from servicecert_deploy import Parts
from toy.stand import Stand


@pytest.fixture
async def stand(parts: Parts, database_url: str, tmp_path: Path) -> AsyncIterator[Stand]:
    stand = Stand(parts, database_url, tmp_path)
    await stand.open()
    yield stand
    await stand.close()
