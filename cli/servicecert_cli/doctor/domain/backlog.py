"""What a service has in its tables and has not done: parked records, late deadlines, open intents, the outbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from .check import Finding, Subject, critical, examination, graded, ok, period, warning, worst

WARN_SECONDS, CRITICAL_SECONDS = 10.0, 60.0
"""From these ages on, what waits is late."""
LATE_WARN, LATE_CRITICAL = 60.0, 600.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of a service is open; ages in seconds. `parked` are culprits, `behind` the records that wait for them."""

    service: str
    parked: int = 0
    behind: int = 0
    parked_seconds: float = 0.0
    late: int = 0
    late_seconds: float = 0.0
    intents: int = 0
    intents_seconds: float = 0.0
    outbox: int = 0
    outbox_seconds: float = 0.0


_INTENTS = MappingProxyType(
    {
        "intake": "Look at intake's log.",
        "issuer": "The key or the processor is the limit: see `servicecert ca status`, then add issuers or a faster "
        "token.",
        "revoker": "CRLs are published too slowly or not at all: see the check `crl`, and the revoker's log.",
        "notifier": "The mail server is the limit: see the check `mails`, then raise SMTP_CONNECTIONS.",
    }
)


def _each(backlogs: Sequence[Backlog], judge: Callable[[Backlog], Finding], well: str) -> Finding:
    return worst([judge(each) for each in backlogs], well)


@examination(
    "parked",
    Subject.BACKLOG,
    "Is no record parked?",
    "A parked record had no effect, and later records of the same case wait behind it.",
)
def check_parked(backlogs: Sequence[Backlog]) -> Finding:
    return _each(backlogs, _parked, "None is.")


def _parked(backlog: Backlog) -> Finding:
    if not backlog.parked and not backlog.behind:
        return ok("")
    text = (
        f"{backlog.service}: {backlog.parked} parked, {backlog.behind} wait behind them, "
        f"the oldest for {period(backlog.parked_seconds)}."
    )
    return warning(text, f"See `servicecert parked list --service {backlog.service}`; replay or discard them.")


@examination(
    "deadlines",
    Subject.BACKLOG,
    "Are deadlines acted on in time?",
    "Applications lapse, reminders go out and CRLs are renewed by deadlines.",
)
def check_deadlines(backlogs: Sequence[Backlog]) -> Finding:
    return _each(backlogs, _late, "None is late.")


def _late(backlog: Backlog) -> Finding:
    text = f"{backlog.service}: {backlog.late} are late, the first by {period(backlog.late_seconds)}."
    remedy = f"Start a worker of {backlog.service}, or look at the logs of those that run."
    return graded(backlog.late_seconds, LATE_WARN, LATE_CRITICAL, text, remedy)


@examination(
    "intents",
    Subject.BACKLOG,
    "Are side effects carried out as fast as they are decided?",
    "Signing, mailing and publishing CRLs are intents: an old one is a certificate or a revocation that waits.",
)
def check_intents(backlogs: Sequence[Backlog]) -> Finding:
    return _each(backlogs, _intents, "None is old.")


def _intents(backlog: Backlog) -> Finding:
    text = f"{backlog.service}: {backlog.intents} are open; the oldest waits {period(backlog.intents_seconds)}."
    return graded(backlog.intents_seconds, WARN_SECONDS, CRITICAL_SECONDS, text, _INTENTS[backlog.service])


@examination(
    "outbox",
    Subject.BACKLOG,
    "Are events published as fast as they are decided?",
    "Other services and the e-service learn of nothing that stays in an outbox.",
)
def check_outbox(backlogs: Sequence[Backlog]) -> Finding:
    return _each(backlogs, _unpublished, "All events are published.")


def _unpublished(backlog: Backlog) -> Finding:
    text = f"{backlog.service}: {backlog.outbox} unpublished events; the oldest waits {period(backlog.outbox_seconds)}."
    remedy = f"Kafka does not take them, or the leader of {backlog.service} is frozen or does not run: see its log."
    return graded(backlog.outbox_seconds, WARN_SECONDS, CRITICAL_SECONDS, text, remedy)


@examination(
    "stopped",
    Subject.BACKLOG,
    "Has the linter stopped no certificate?",
    "The applicant waits until an operator has decided; the reason is a defect in a profile or in the code.",
)
def check_stopped(facts: tuple[int, float]) -> Finding:
    """Judge how many applications are stopped, and for how many seconds the first is."""
    number, seconds = facts
    if not number:
        return ok("None is stopped.")
    text = f"{number} are stopped, the first for {period(seconds)}."
    return critical(text, "See `servicecert ca status`, then `ca retry` or `ca void`; docs/lint.md.")
