"""A returned case that lacks what only a register can mend is judged again by itself: each night, and when the registers change (A11)."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState

from ..deadlines import day_of
from .deficiencies import SEVERITIES, Deficiencies, Severity

RECHECK = "recheck"
"""The deadline at which a case is judged again."""

_BEGINS = time(2)
_MINUTES = 120


def waits(state: CaseState, deficiencies: Deficiencies) -> bool:
    """Whether a case in this state, with these deficiencies, waits for the registers."""
    return state is CaseState.RETURNED and any(SEVERITIES[each.code] is Severity.RECHECKED for each in deficiencies)


def next_night(case_id: UUID, now: datetime) -> datetime:
    """The case's minute of the next night, in UTC: from 02:00 in Helsinki on, two hours long, so that the cases of a night do not come at once."""
    after_two = timedelta(minutes=case_id.int % _MINUTES)
    tonight = datetime.combine(day_of(now), _BEGINS, HELSINKI).astimezone(UTC) + after_two
    if tonight > now:
        return tonight
    tomorrow = day_of(now) + timedelta(days=1)
    return datetime.combine(tomorrow, _BEGINS, HELSINKI).astimezone(UTC) + after_two


def same(before: Deficiencies, after: Deficiencies) -> bool:
    """Whether the same is lacking. Other close names than before are no news to the applicant."""
    return [(each.code, each.field) for each in before] == [(each.code, each.field) for each in after]
