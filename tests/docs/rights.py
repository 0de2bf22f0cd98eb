"""Who may do what in a case, and how all others are answered: asked of the deciders of intake and revoker (A2, A3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from journeys.judged.table import Step, form_and_attachments
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.decide import ASK_AGAIN, decide
from servicecert_intake.domain.knowledge import NOTHING_KNOWN as NO_REGISTERS
from servicecert_intake.domain.knowledge import apply as intake_knows
from servicecert_pki.profiles import load_profiles
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN, apply
from servicecert_revoker.domain.requests import Refused, judge
from servicecert_revoker.domain.status import Asked
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    CsrAttached,
    Form,
)
from servicecert_schemas.case import CaseChanged, EventRefused
from servicecert_schemas.event import Actor, Assurance, Change, EventData, Role
from servicecert_schemas.membership import NO_ACCOUNTS, Act, accounts_after, refusals
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.core.decider import Due, Event

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
BEFORE, LONG_AFTER = NOW - timedelta(days=1), NOW + timedelta(days=2)
CASE, OTHER_CASE = UUID(int=1), UUID(int=2)
SERIAL = "0a" * 16
PROFILES = load_profiles()
YES = "yes"


@dataclass(frozen=True)
class Person:
    """A user, as the table names them. `role` is the membership's; the events claim `claims`."""

    name: str
    user: str
    role: Role | None = None
    account: str = "account-1"
    case_id: UUID | None = None
    removed: bool = False
    assurance: Assurance = Assurance.HIGH
    claims: Role = Role.COLLEAGUE

    @property
    def actor(self) -> Actor:
        return Actor(user_id=self.user, account_id=self.account, assurance=self.assurance, role=self.claims)


PEOPLE = (
    Person("colleague", "colleague-1", Role.COLLEAGUE),
    Person("technical partner", "partner-1", Role.TECHNICAL_PARTNER),
    Person("technical contact of the case", "contact-1", Role.TECHNICAL_CONTACT, case_id=CASE),
    Person("technical contact of another case", "contact-2", Role.TECHNICAL_CONTACT, case_id=OTHER_CASE),
    Person("removed member", "removed-1", Role.COLLEAGUE, removed=True),
    Person("user whom nobody invited", "stranger-1"),
    Person("colleague of another account", "other-1", Role.COLLEAGUE, "account-2"),
    Person("colleague, not strongly authenticated", "weak-1", Role.COLLEAGUE, assurance=Assurance.LOW),
    Person("colleague who claims to be an operator", "claims-1", Role.COLLEAGUE, claims=Role.OPERATOR),
)
COLLEAGUE = PEOPLE[0]
REVOCATIONS = {
    Act.REVOKE_EXPOSED.value: RevocationReason.KEY_EXPOSED,
    Act.REVOKE_OTHERWISE.value: RevocationReason.NO_LONGER_NEEDED,
    "privilege-withdrawn": RevocationReason.PRIVILEGE_WITHDRAWN,
}
ACTS: Sequence[str] = (*(act.value for act in Act), "privilege-withdrawn")


def answer(person: Person, act: str) -> str:
    """Return `yes`, or the code with which an act of a person is answered in the end; nobody answers an invitation."""
    if act == Act.INVITE.value:
        return _invites(person)
    return _revokers(person, REVOCATIONS[act]) if act in REVOCATIONS else _intakes(person, Act(act))


def _accounts() -> Iterator[Change]:
    opener = COLLEAGUE.actor.model_copy(update={"user_id": "opener"})
    for account in ("account-1", "account-2"):
        actor = opener.model_copy(update={"account_id": account})
        opened = AccountOpened(account_id=account, actor=actor, business_id="9900001-8", organisation_name="Exempel")
        yield Change(account, opened, BEFORE)
    for each in PEOPLE:
        about: dict[str, Any] = {"account_id": each.account, "actor": opener, "user_id": each.user, "role": each.role}
        if each.role is not None:
            added = AccountMemberAdded(**about, invited_by="opener", case_id=each.case_id)
            yield Change(each.account, added, BEFORE)
        if each.removed:
            yield Change(each.account, AccountMemberRemoved(**about), BEFORE + timedelta(hours=1))


def _invites(person: Person) -> str:
    added = AccountMemberAdded(
        account_id=COLLEAGUE.account,
        actor=person.actor,
        user_id="somebody",
        role=Role.COLLEAGUE,
        invited_by=person.user,
    )
    refused = refusals(accounts_after(NO_ACCOUNTS, _accounts()), [Change(added.key(), added, NOW)])
    return next((code for _, code in refused), YES)


def _intakes(person: Person, act: Act) -> str:
    known = intake_knows(NO_REGISTERS, tuple(_accounts()))
    case: Case | None = None
    if act is not Act.SUBMIT or person.account != COLLEAGUE.account:
        case = decide(PROFILES, None, _event(_application(COLLEAGUE, Act.SUBMIT)), known, NOW).state
    decision = decide(PROFILES, case, _event(_application(person, act)), known, NOW)
    while decision.state is not None and decision.state.waiting:
        at = next(each.at for each in decision.deadlines if each.kind == ASK_AGAIN)
        assert at is not None
        decision = decide(PROFILES, decision.state, Due(uuid4(), str(CASE), ASK_AGAIN, at), known, at)
    (code,) = (_code_of(each) for each in decision.events)
    return code


def _code_of(event: EventData) -> str:
    if isinstance(event, EventRefused):
        return event.code
    assert isinstance(event, CaseChanged)
    return YES if event.answer is None else event.answer.code


def _event(data: ApplicationEvent) -> Event:
    return Event(uuid4(), data.key(), data, NOW)


def _application(person: Person, act: Act) -> ApplicationEvent:
    about: dict[str, Any] = {"case_id": CASE, "actor": person.actor}
    written, _ = form_and_attachments("server", Step())
    form = Form.model_validate(written)
    match act:
        case Act.SUBMIT:
            return ApplicationSubmitted(**about, form=form)
        case Act.SUPPLEMENT:
            return ApplicationSupplemented(**about, form=form)
        case Act.ATTACH_REQUEST:
            return CsrAttached(**about, csr="sent")
        case _:
            return ApplicationWithdrawn(**about)


def _revokers(person: Person, reason: RevocationReason) -> str:
    certificate = Certificate(
        issuer="production-ec",
        serial=SERIAL,
        account_id=COLLEAGUE.account,
        subject="CN=kanta.example.fi,C=FI",
        issued_at=BEFORE,
        not_after=NOW + timedelta(days=700),
        language=Language.ENGLISH,
        recipients=(),
        key_sha256="1" * 64,
        type=CertificateType.SERVER,
        profile="server",
        profile_version=1,
    )
    request = RevocationRequested(
        case_id=CASE, actor=person.actor, request_id=uuid4(), serial_as_typed=SERIAL, reason=reason, sent_at=NOW
    )
    known, now = apply(NOTHING_KNOWN, tuple(_accounts())), NOW
    while isinstance(verdict := judge(Asked(request, NOW, NOW), certificate, known, now), datetime):
        now = verdict
    return str(verdict.code) if isinstance(verdict, Refused) else YES
