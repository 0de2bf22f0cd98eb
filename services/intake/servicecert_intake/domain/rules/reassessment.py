"""When a case that waits for the registers is judged again: each night, and when the registers change (A11)."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState

from ..deadlines import day_of
from .deficiencies import SEVERITIES, Deficiencies, Severity

REASSESS = "recheck"
"""The kind of the deadline at which a case is judged again."""

_BEGINS = time(2)
_MINUTES = 120


def waits(state: CaseState, deficiencies: Deficiencies) -> bool:
    """Return whether a case in this state, with these deficiencies, waits for the registers."""
    return state is CaseState.RETURNED and any(SEVERITIES[each.code] is Severity.REASSESSED for each in deficiencies)


def next_night(case_id: UUID, now: datetime) -> datetime:
    """Return the case's minute of the next night, in UTC. Cases are spread over two hours from 02:00 in Helsinki."""
    after_two = timedelta(minutes=case_id.int % _MINUTES)
    tonight = datetime.combine(day_of(now), _BEGINS, HELSINKI).astimezone(UTC) + after_two
    if tonight > now:
        return tonight
    tomorrow = day_of(now) + timedelta(days=1)
    return datetime.combine(tomorrow, _BEGINS, HELSINKI).astimezone(UTC) + after_two


def same(before: Deficiencies, after: Deficiencies) -> bool:
    """Return whether the deficiencies are the same. Other suggestions do not count."""
    return [(each.code, each.field) for each in before] == [(each.code, each.field) for each in after]
