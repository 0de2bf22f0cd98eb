"""The issuer's effects: sign with a CA key, and examine stopped applications again.

They believe nothing but what intake has signed (F2, F3).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from servicecert_pki.authority import AuthorityMissing
from servicecert_pki.ca_signing import SettingsDiffer, SigningRefused
from servicecert_pki.certificate import CertificateUnsound
from servicecert_pki.keys import KeyUnavailable, SigningKey, key_of
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.core.decider import Done, Examined, Outcome, Retry, Task
from servicecert_worker.observe.logs import about

from ..domain.act import check_order
from ..domain.examine import Examine, IssuingContext
from ..domain.issuance import Intended, Signed, SigningOrder, State, Stopped, Unsigned, intent_of
from ..domain.unissuable import STOPPED
from .accepted import AcceptedApplications

log = logging.getLogger(__name__)

States: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, State]]]
"""Returns the cases that the table of certificates has, by their ids."""

_AFTER_ALARM = timedelta(minutes=1)

_UNSIGNED = "unsigned"
_UNSIGNED_TEXT = (
    "The application is not as a pinned key of intake has signed it; if that key was replaced, run "
    "`servicecert republish intake`."
)


@dataclass(frozen=True, repr=False)
class Sign:
    """Check, sign and verify orders in a thread, so that the event loop stays free.

    Repeating an order signs the same bytes: the first recorded signature counts. Expired and voided orders are not
    signed. Bytes that differ from the cases' `states`, or from what follows from the `accepted` application, are
    refused, with an alarm, and end void (B2, F3): no turn wrote those. Without such an application an order waits, with
    an alarm.
    """

    context: IssuingContext
    keys: Mapping[str, SigningKey]
    clock: Callable[[], datetime]
    states: States
    accepted: AcceptedApplications
    unavailable: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        now = self.clock()
        states = await self.states([task.key for task in tasks])
        found = ((task, states.get(task.key)) for task in tasks)
        open_ = {task.key: it.record for task, it in found if isinstance(it, Intended) and not _end(task.data, it, now)}
        applications = await self.accepted(open_)
        return await asyncio.to_thread(
            lambda: [self._logged(task, states.get(task.key), applications.get(task.key), now) for task in tasks]
        )

    async def unavailable_keys(self) -> Mapping[str, float]:
        """Return 1 for each CA whose key was unavailable the last time, 0 for the others."""
        return {issuer: float(issuer in self.unavailable) for issuer in sorted(self.keys)}

    def _logged(
        self, task: Task, state: State | None, application: ApplicationAccepted | None, now: datetime
    ) -> Outcome:
        with about(task):
            return self._finish(task, state, application, now)

    def _finish(
        self, task: Task, state: State | None, application: ApplicationAccepted | None, now: datetime
    ) -> Outcome:
        """Return the single outcome of an order, signed or not (B2)."""
        order: SigningOrder = task.data
        intended = intent_of(state)
        if intended is None:
            return self._refuse(task, SigningRefused("other-bytes", "The table of certificates intends nothing here."))
        if (code := _end(order, state, now)) is not None:
            return Done(Unsigned(code=code))
        if application is None:
            _alarm(self.refused, task, order.issuer, _UNSIGNED, _UNSIGNED_TEXT)
            return Retry(_UNSIGNED_TEXT, _AFTER_ALARM)
        try:
            checked = check_order(self.context, order, intended, application, now)
            signed = Done(Signed.by(checked, key_of(order.issuer, self.keys)))
        except SettingsDiffer as differ:
            log.error("alarm: an intended certificate waits for other settings: %s", differ, extra={"key": task.key})
            return Retry(str(differ), _AFTER_ALARM)
        except SigningRefused as refused:
            return self._refuse(task, refused)
        except (KeyUnavailable, AuthorityMissing) as error:
            self._log_unavailable(order.issuer)
            return Retry(str(error))
        except CertificateUnsound as unsound:
            log.error("alarm: a certificate of %s is not released: %s", order.issuer, unsound, extra={"key": task.key})
            return Retry(str(unsound), _AFTER_ALARM)
        if order.issuer in self.unavailable:
            self.unavailable.discard(order.issuer)
            log.warning("The key of %s is available again: signing continues", order.issuer)
        return signed

    def _refuse(self, task: Task, refused: SigningRefused) -> Outcome:
        _alarm(self.refused, task, task.data.issuer, refused.code, str(refused))
        return Done(Unsigned(code=refused.code))

    def _log_unavailable(self, issuer: str) -> None:
        if issuer not in self.unavailable:
            self.unavailable.add(issuer)
            log.error("The key of %s is unavailable: its certificates wait until it is back", issuer)


@dataclass(frozen=True)
class ExamineStopped:
    """Examine stopped applications again, each with a new serial number.

    One that is not as intake has signed it stays stopped, with an alarm, which counts in `refused`.
    """

    examine: Examine
    states: States
    accepted: AcceptedApplications
    refused: Counter[str]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        states = await self.states([task.key for task in tasks])
        stopped = {key: it for key, it in states.items() if isinstance(it, Stopped)}
        applications = await self.accepted({key: it.record for key, it in stopped.items()})
        return await asyncio.to_thread(
            lambda: [self._examined(task, stopped.get(task.key), applications.get(task.key)) for task in tasks]
        )

    def _examined(self, task: Task, stopped: Stopped | None, application: ApplicationAccepted | None) -> Outcome:
        if stopped is None:
            # The case ended meanwhile: whatever was found, nothing is decided with it.
            return Done(Examined(facts=STOPPED))
        if application is None or application != stopped.application:
            _alarm(self.refused, task, stopped.issuer, _UNSIGNED, _UNSIGNED_TEXT)
            return Done(Examined(facts=replace(stopped, findings=(f"application.{_UNSIGNED}",))))
        return Done(Examined(facts=self.examine.facts(application)))


def _end(order: SigningOrder, state: State | None, now: datetime) -> str | None:
    """Return the code that the intent's own order ends with unsigned, whatever the application says (B2)."""
    intended = intent_of(state)
    if intended is None or not order.is_of(intended):
        return None
    if intended is not state:
        return "ended"
    return intended.unwanted or ("deadline" if order.sign_by is not None and now > order.sign_by else None)


def _alarm(counts: Counter[str], task: Task, issuer: str, code: str, text: str) -> None:
    counts[code] += 1
    fields = {"key": task.key, "issuer": issuer, "code": code}
    log.error("alarm: refused to sign: %s Run `servicecert ca reconcile`", text, extra=fields)
