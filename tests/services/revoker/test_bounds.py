"""F5: one account or one operator cannot make endless work of revocations."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from servicecert_cli.faults import UserError
from servicecert_cli.operations import proposing
from servicecert_revoker.domain.requests import MOST_CHANGES, changed
from servicecert_revoker.domain.status import Revocation
from servicecert_schemas.revocation import RevocationReason
from services.revoker.conftest import Login
from services.revoker.stand import Stand

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
DAY = timedelta(days=1)
ABOUT: dict[str, Any] = {"kind": "withdrawal", "reason": "privilege-withdrawn", "why": "decision 2026/117", "rate": 600}


def exposed(days: int, reason: RevocationReason = RevocationReason.KEY_EXPOSED, changes: int = 0) -> Revocation:
    since = NOW - days * DAY if reason is RevocationReason.KEY_EXPOSED else None
    return Revocation(uuid4(), reason, NOW, NOW + DAY, NOW, since, changes=changes)


def test_f5_a_date_of_suspicion_moves_a_bounded_number_of_times() -> None:
    entry, moves = exposed(1), 0
    for days in range(2, 100):
        after = changed(entry, exposed(days))
        if after is not None:
            entry, moves = after, moves + 1
    assert (moves, entry.changes) == (MOST_CHANGES, MOST_CHANGES)


def test_f5_an_exposed_key_always_overrides_a_weaker_reason() -> None:
    weak = exposed(1, RevocationReason.NO_LONGER_NEEDED, changes=MOST_CHANGES)
    after = changed(weak, exposed(2))
    assert after is not None
    assert after.reason is RevocationReason.KEY_EXPOSED
    assert after.invalid_since == NOW - 2 * DAY
    assert changed(after, replace(exposed(9), request_id=uuid4())) is None


async def test_f5_an_operator_has_a_bounded_number_of_undecided_proposals(pool, known, login: Login) -> None:
    Stand(pool, known)
    async with login("anna") as connection:
        made = [await proposing.propose(connection, cases=[], **ABOUT) for _ in range(50)]
        with pytest.raises(UserError, match="50 undecided proposals"):
            await proposing.propose(connection, cases=[], **ABOUT)
        assert await proposing.drop(connection, made[0].id)
        await proposing.propose(connection, cases=[], **ABOUT)
    async with login("bertil") as connection:
        await proposing.propose(connection, cases=[], **ABOUT)
