"""When all issued certificates are checked again: each night, one part after the other. Pure."""

from datetime import datetime, time, timedelta
from typing import Any

from pydantic import BaseModel
from servicecert_pki.validity import HELSINKI
from servicecert_worker.core.decider import Deadline, Decision, Due, Intent, Result

RECHECK = "recheck"
INITIAL_DEADLINE = (RECHECK, RECHECK)
"""Key and kind."""

_HOUR = time(2)


class RecheckOrder(BaseModel):
    """An order to check the next part."""


class Rechecked(BaseModel):
    """A part was checked; `ended` if it was the last."""

    ended: bool


def plan(happened: Due | Result, now: datetime) -> Decision[Any]:
    """Return the decision on the night's deadline or a checked part: the next part, and the next night."""
    order = (Intent(RECHECK, RecheckOrder()),)
    match happened:
        case Due():
            return Decision(None, intents=order, deadlines=(Deadline(RECHECK, _night_after(now)),))
        case Result(data=Rechecked(ended=True)):
            return Decision(None)
    return Decision(None, intents=order)


def _night_after(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(HELSINKI).date() + timedelta(days=1), _HOUR, HELSINKI)
