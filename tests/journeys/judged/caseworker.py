"""Runs a case of the table through intake in memory: `examine`, then the worker's fold over `decide`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from journeys.judged.table import FIRST_DAY, FOLDER, By, Step, form_and_attachments, request
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.rules.application import Earlier, Followed
from servicecert_intake.domain.rules.renewal import LookedUp
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    Attachment,
    CsrAttached,
    Form,
)
from servicecert_schemas.case import CaseChanged, CaseState, EventRefused
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.event import Actor, Assurance, Change, Role
from servicecert_schemas.values import is_business_id
from servicecert_worker.core.decider import Due, Event, Result, Service, Stored
from servicecert_worker.core.fold import Folded, fold
from servicecert_worker.core.record import Arrival, Record

SERIAL = "0a" * 16
CASE = UUID(int=0x0D9BB3A2)
PLACE = Record("applications", 0, 0, None, (), None, FIRST_DAY)


@dataclass
class Caseworker:
    """Intake with the registers, and one case."""

    service: Service[Case, Any]
    known: Any
    stored: dict[str, Stored[Case]] = field(default_factory=dict)
    deadlines: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)
    view: CaseChanged | None = None
    was: CaseState | None = None
    accepted: ApplicationAccepted | None = None
    parked: str | None = None
    refused: EventRefused | None = None
    earlier: Earlier | None = None
    events: int = 0

    def judge(self, step: Step, base: str, day: datetime) -> None:
        """Handle a step of the table, after the deadlines that pass before it."""
        now = step.handled or day
        self.was = None if self.view is None else CaseState(self.view.state)
        self.accepted = self.parked = self.refused = None
        self._wait(now)
        if (data := _event(step, base)) is not None:
            self._open_account(data)
            self.events += 1
            event = Event(uuid5(CASE, str(self.events)), data.key(), data, day)
            assert self.service.rules.examine is not None
            (examined,) = self.service.rules.examine([event])
            self._decide(Arrival(PLACE, examined), now)

    def _open_account(self, data: ApplicationEvent) -> None:
        """Open the account for the first applicant, with its members, unless the table assigns it to another."""
        if APPLICANTS_ACCOUNT not in self.known.accounts and isinstance(data, ApplicationSubmitted):
            typed = data.form.applicant.business_id.strip()
            opened = _opened(APPLICANTS_ACCOUNT, typed if is_business_id(typed) else ANY_ORGANISATION)
            assert self.service.snapshot is not None
            self.known = self.service.snapshot.apply(self.known, (opened, *_members()))

    def _wait(self, until: datetime) -> None:
        """Handle every deadline that passes until then, in order."""
        while due := [(at, kind, id) for kind, (id, at) in self.deadlines.items() if at <= until]:
            at, kind, id = min(due)
            del self.deadlines[kind]
            self._decide(Due(id, str(CASE), kind, at), at)

    def _decide(self, item: Arrival | Due | Result, now: datetime) -> None:
        folded: Folded[Case] = fold(self.service.rules.decide, [item], self.stored, {}, self.known, now)
        for parked in folded.parked:
            self.parked = parked.reason
        for changed in folded.changed:
            self.stored[changed.key] = Stored(changed.key, changed.version + 1, changed.state)
        for deadline in folded.deadlines.values():
            self.deadlines.pop(deadline.kind, None)
            if deadline.at is not None:
                self.deadlines[deadline.kind] = (deadline.id, deadline.at)
        for published in folded.published:
            if isinstance(published.data, CaseChanged):
                self.view = published.data
            elif isinstance(published.data, ApplicationAccepted):
                self.accepted = published.data
            elif isinstance(published.data, EventRefused):
                self.refused = published.data
        for intended in folded.intended:
            result = LookedUp(followed=Followed(intended.intent.data.typed, self.earlier))
            self._decide(Result(intended.id, intended.key, intended.intent.kind, result), now)


def known_to(service: Service[Case, Any]) -> Any:
    """Return the snapshot: the fictitious registers, those of the table, and other accounts than the applicant's."""
    assert service.snapshot is not None
    return service.snapshot.apply(service.snapshot.empty, _changes())


def certified(service: Service[Case, Any], known: Any, step: Step) -> Earlier:
    """Return the certificate of an accepted application."""
    worker = Caseworker(service, known)
    worker.judge(step, step.application or "server", FIRST_DAY)
    accepted, case = worker.accepted, worker.stored[str(CASE)].state
    assert accepted is not None
    assert case.grant is not None
    return Earlier(SERIAL, accepted.type, case.grant, case.key)


@cache
def _changes() -> tuple[Change, ...]:
    entries = (each for folder in (FICTITIOUS_REGISTERS, FOLDER / "registers") for each in read_register(folder))
    registers = tuple(Change(each.key(), each, FIRST_DAY) for each in entries)
    return (
        *registers,
        _opened("account-2", ANY_ORGANISATION),
        _opened(OWN_ACCOUNT, OWN_ACCOUNT.removeprefix("account-")),
    )


@cache
def _members() -> tuple[Change, ...]:
    return (
        _invited("contact-1", Role.TECHNICAL_CONTACT, CASE),
        _invited("contact-2", Role.TECHNICAL_CONTACT, UUID(int=2)),
        _invited("partner-1", Role.TECHNICAL_PARTNER),
        _invited("colleague-2", Role.COLLEAGUE),
        *_gone("gone-colleague", Role.COLLEAGUE),
        *_gone("gone-partner", Role.TECHNICAL_PARTNER),
    )


ACCOUNTS_OPENED = datetime(2020, 1, 1, 10, tzinfo=UTC)

APPLICANTS_ACCOUNT = "account-1"
"""The account of the organisation that applies first."""

OWN_ACCOUNT = "account-9900001-8"
"""An account of one organisation, which another cannot apply from."""

ANY_ORGANISATION = "9900001-8"


def _actor_of(account: str) -> Actor:
    return Actor(user_id="user-1", account_id=account, role=Role.COLLEAGUE, assurance=Assurance.HIGH)


def _invited(user: str, role: Role, case_id: UUID | None = None) -> Change:
    added = AccountMemberAdded(
        account_id=APPLICANTS_ACCOUNT,
        actor=_actor_of(APPLICANTS_ACCOUNT),
        user_id=user,
        role=role,
        invited_by="user-1",
        case_id=case_id,
    )
    return Change(APPLICANTS_ACCOUNT, added, FIRST_DAY)


def _gone(user: str, role: Role) -> tuple[Change, Change]:
    """Return the invitation of a user, and the removal a day later."""
    removed = AccountMemberRemoved(
        account_id=APPLICANTS_ACCOUNT, actor=_actor_of(APPLICANTS_ACCOUNT), user_id=user, role=role
    )
    return _invited(user, role), Change(APPLICANTS_ACCOUNT, removed, FIRST_DAY + timedelta(days=1))


def _opened(account: str, business_id: str) -> Change:
    opened = AccountOpened(
        account_id=account, actor=_actor_of(account), business_id=business_id, organisation_name="Exempel"
    )
    return Change(account, opened, ACCOUNTS_OPENED)


def _event(step: Step, base: str) -> ApplicationEvent | None:
    about: dict[str, Any] = {"case_id": CASE, "actor": _actor(step.by)}
    if step.does == "attaches":
        return CsrAttached(**about, csr=request(step.request) or "")
    if step.does == "withdraws":
        return ApplicationWithdrawn(**about)
    if step.does == "waits":
        return None
    written, attached = form_and_attachments(base, step)
    kind = ApplicationSubmitted if step.does == "submits" else ApplicationSupplemented
    attachments = tuple(Attachment.model_validate(each) for each in attached)
    return kind(**about, form=Form.model_validate(written), attachments=attachments, csr=request(step.request))


def _actor(by: By) -> Actor:
    return Actor(user_id=by.user, account_id=by.account, role=by.role, assurance=by.assurance)
