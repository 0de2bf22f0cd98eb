"""How long a case took until it reached each stage, for the promises of the service (A13, D4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from servicecert_schemas.case import CaseState

from .case import Case, history

_SINCE = {
    CaseState.ACCEPTED: CaseState.SUBMITTED,
    CaseState.ISSUED: CaseState.SUBMITTED,
    CaseState.DELIVERED: CaseState.SUBMITTED,
    CaseState.REVOKED: CaseState.REVOCATION_REQUESTED,
}


def stages(before: Case | None, after: Case) -> Sequence[tuple[str, float]]:
    """Return the stages that a case has reached, with the seconds since its submission, or since the request."""
    reached = _began(before) if before is not None else {}
    began = _began(after)
    return [
        (str(state), max(0.0, (began[state] - began[since]).total_seconds()))
        for state, since in _SINCE.items()
        if state in began and state not in reached and since in began
    ]


def _began(case: Case) -> Mapping[CaseState, datetime]:
    """Return when each state first began."""
    return {entry.state: entry.at for entry in reversed(history(case)) if isinstance(entry.state, CaseState)}
