"""A stand for the toy service, one for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from recycling import Migrated
from servicecert_launcher import Parts
from toy import service as toy
from toy.stand import Stand


@pytest.fixture
async def stand(parts: Parts, migrated: Callable[..., Migrated], tmp_path: Path) -> AsyncIterator[Stand]:
    stand = Stand(parts, migrated(toy=[toy.MIGRATIONS]).urls[toy.NAME], tmp_path)
    await stand.open()
    yield stand
    await stand.close()
