"""Events of a case that wait for what intake has yet to learn, and those behind them, so that they keep their order (I5).

An event waits where its user is no member of the case's account: the event that says so may be under way on another topic. It is asked again at
growing intervals for a minute, and refused then (A2). It waits, too, until the certificate that it follows was looked up (A14).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from servicecert_schemas.application import ApplicationEvent, ApplicationWithdrawn, CsrAttached
from servicecert_schemas.codec import EVENTS
from servicecert_worker.decider import Event

from .rules.application import JudgedCsr

ASK_AGAIN = "ask-again"
"""The deadline at which the first of a case's waiting events is asked again."""

ASKED_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0.2, 1, 3, 10, 30, 60))
MOST_WAITING = 10
"""How many events of a case wait at most. One more is answered at once: it is to be sent again later."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event as it is kept while it waits `since` a moment: without the request's text, which may hold a private key (A4), and with what was found of it."""

    id: UUID
    type: str
    data: str
    time: datetime
    since: datetime
    csr: JudgedCsr | None = None

    @staticmethod
    def of(event: Event, now: datetime) -> "Waiting":
        """The event as it is kept."""
        data = event.data
        if not isinstance(data, ApplicationWithdrawn):
            data = data.model_copy(update={"csr": "" if isinstance(data, CsrAttached) else None})
        csr = event.facts if isinstance(event.facts, JudgedCsr) else None
        return Waiting(event.id, data.TYPE, data.model_dump_json(), event.time, now, csr)

    def event(self) -> Event:
        """The event as it came, but for the request's text."""
        data = EVENTS[self.type].model_validate_json(self.data)
        assert isinstance(data, ApplicationEvent)
        return Event(self.id, data.key(), data, self.time, self.csr)


def next_asking(since: datetime, now: datetime) -> datetime | None:
    """When to ask again; None where a minute is over."""
    return next((since + after for after in ASKED_AFTER if since + after > now), None)
