"""When the stock is checked anew: each night, part after part until its end. Pure."""

from datetime import datetime, time, timedelta
from typing import Any

from pydantic import BaseModel
from servicecert_pki.validity import HELSINKI
from servicecert_worker.decider import Deadline, Decision, Due, Intent, Result

RECHECK = "recheck"
STANDING = (RECHECK, RECHECK)

_HOUR = time(2)


class RecheckOrder(BaseModel):
    """The next part of the stock is to be checked."""


class Rechecked(BaseModel):
    """A part of the stock is checked; `ended` says that it was the last."""

    ended: bool


def plan(happened: Due | Result, now: datetime) -> Decision[Any]:
    """What follows from the night's deadline, or from a part that is checked: the next part, and the next night."""
    order = (Intent(RECHECK, RecheckOrder()),)
    match happened:
        case Due():
            return Decision(None, intents=order, deadlines=(Deadline(RECHECK, _night_after(now)),))
        case Result(data=Rechecked(ended=True)):
            return Decision(None)
    return Decision(None, intents=order)


def _night_after(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(HELSINKI).date() + timedelta(days=1), _HOUR, HELSINKI)
