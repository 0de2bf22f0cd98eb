"""The 24 hours in which a person confirms or drops a stopped cascade, and its certificates are revoked (D6). Pure.

The clock starts with the proposal. Each mark looks at what is left: nothing of a dropped proposal, else the
certificates that are not revoked and have not expired. So the clock ends by itself, however the rest is done.
"""

from datetime import datetime

from servicecert_schemas.deadline import DeadlineKind
from servicecert_worker.core.decider import Decision
from servicecert_worker.core.time_limits import Clock

from .proposal import Proposal
from .requests import TAKES_EFFECT_WITHIN
from .time_limits import marked

CONFIRMATION_CLOCK = "confirmation-clock"
"""The deadline at which the clock of a stopped cascade is checked next."""


FIRST_CHECK = TAKES_EFFECT_WITHIN / 2
"""How long after the proposal its clock is checked first: at the first mark."""


def check(proposal: Proposal, now: datetime) -> Decision[Proposal]:
    """Warn of the last mark that has passed, alarm after the end, and wait for the next mark, while something waits."""
    wait = proposal.waiting
    if wait is None:
        return Decision(proposal)
    clock = Clock(DeadlineKind.CONFIRMATION, wait.since, wait.since + TAKES_EFFECT_WITHIN)
    warning, alarms, again = marked(clock, CONFIRMATION_CLOCK, wait.case_id, now)
    if warning is None:
        return Decision(proposal, deadlines=again)
    warned = warning.model_copy(update={"proposal_id": proposal.id})
    return Decision(proposal, (warned,), alarms, again)
