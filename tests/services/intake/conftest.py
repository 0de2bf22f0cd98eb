"""A valid application, the fictitious registers, and shared assertions."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.decide import decide
from servicecert_intake.domain.knowledge import Knowledge
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, Registers, apply
from servicecert_intake.domain.rules.application import JudgedCsr
from servicecert_pki.profiles import Profiles, load_profiles
from servicecert_schemas.account import AccountMemberAdded, AccountOpened
from servicecert_schemas.application import (
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    Attachment,
    CsrAttached,
    Form,
)
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided, IssuingRefused
from servicecert_schemas.event import Actor, Change, EventData
from servicecert_schemas.mail import MailBounced, MailGivenUp, MailHandedOver, MailRefused
from servicecert_schemas.membership import NO_ACCOUNTS, Accounts, accounts_after
from servicecert_schemas.revocation import CertificateRevoked, RevocationRefused, RevocationRegistered
from servicecert_schemas.values import is_business_id
from servicecert_worker.core.decider import Decision, Event, Happened

# A machine that does much else at the same time makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
OPENED = datetime(2020, 1, 1, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CASE_ID = UUID("0d9bb3a2-5d0a-4c5e-8a43-4b7d6c1c9f10")
GOOD_CSR = JudgedCsr(der="MIIB")
COLLEAGUE = {"user_id": "user-1", "account_id": "account-1", "assurance": "substantial", "role": "colleague"}
CONTACT = {"user_id": "contact", "role": "technical-contact"}

SERVER_FORM: Mapping[str, Any] = {
    "type": "server",
    "language": "sv",
    "applying_as": "pharmacy",
    "applicant": {"business_id": "9900058-7"},
    "unit_long_name": "Onnelan VI apteekki",
    "names": {"dns": ["kanta.onnela.example.fi"]},
    "usages": ["server-auth"],
    "orderer": {"name": "Urho Kuviteltu", "email": "urho@onnela.example.fi"},
    "technical_contact": {
        "name": "Aada Asentaja",
        "email": "aada@onnela.example.fi",
        "organisation": "Onnelan VI apteekki",
    },
}
SIGNATURE_FORM: Mapping[str, Any] = {
    **SERVER_FORM,
    "type": "system-signature",
    "names": {},
    "usages": [],
    "signatory": {"name": "Urho Kuviteltu", "title": "apteekkari", "signed_at": NOW},
    "information_system": {"name": "Taikasauva Apteekkijärjestelmä", "system_id": "FIKTIO-1002"},
}
CONFORMITY: Mapping[str, Any] = {
    "kind": "conformity-certificate",
    "reference": "urn:attachment:1",
    "sha256": "0" * 64,
    "size": 1000,
    "media_type": "application/pdf",
    "system_id": "FIKTIO-1002",
    "certificate_number": "TODISTUS-2025-003",
    "valid_from": "2025-02-01",
    "valid_to": "2030-01-31",
}
INTERMEDIARY_FORM: Mapping[str, Any] = {
    **SIGNATURE_FORM,
    "type": "test-system-signature",
    "applying_as": "kanta-intermediary",
    "applicant": {"business_id": "9900066-7"},
    "unit_long_name": "Unelmasilta Välityspalvelut Oy",
    "technical_contact": {**SERVER_FORM["technical_contact"], "organisation": "Kanta-välittäjä"},
}

Happen = Callable[..., Decision[Case]]
Submit = Callable[..., Decision[Case]]
Accepts = Callable[..., Decision[Case]]
Returns = Callable[..., CaseChanged]


def event(data: EventData, csr: JudgedCsr | None = None, at: datetime = NOW, id: UUID | None = None) -> Event:
    return Event(id or uuid4(), data.key(), data, at, csr)


def with_form(sent: Event, form: Form) -> Event:
    """Return the event with another form."""
    return replace(sent, data=sent.data.model_copy(update={"form": form}))


@pytest.fixture(scope="session")
def profiles() -> Profiles:
    return load_profiles()


@pytest.fixture(scope="session")
def registers() -> Registers:
    return apply(NO_REGISTERS, [(entry.key(), entry) for entry in read_register(FICTITIOUS_REGISTERS)])


def opened(account_id: str, business_id: str = SERVER_FORM["applicant"]["business_id"]) -> Change:
    """Return an older event that opens an organisation's account. Its first member is user-1."""
    actor = Actor.model_validate({**COLLEAGUE, "account_id": account_id})
    about = {"account_id": account_id, "business_id": business_id, "organisation_name": "Exempel"}
    return Change(account_id, AccountOpened(actor=actor, **about), OPENED)


def member(user_id: str, account_id: str = "account-1", **about: Any) -> Change:
    """Return an older event that adds a user to an account."""
    actor = Actor.model_validate({**COLLEAGUE, "account_id": account_id})
    added = {"account_id": account_id, "user_id": user_id, "role": "colleague", "invited_by": "user-1", **about}
    return Change(account_id, AccountMemberAdded(actor=actor, **added), NOW - timedelta(days=30))


MEMBERS = (
    member("u"),
    member("partner", role="technical-partner"),
    member("contact", role="technical-contact", case_id=CASE_ID),
)
"""The members of the applicant's account beside the one who opened it."""


def from_own_account(known: Knowledge, form: Form) -> Knowledge:
    """Return the known facts, with an account of the applicant."""
    typed = form.applicant.business_id
    if not is_business_id(typed):
        return known
    return replace(known, accounts=accounts_after(NO_ACCOUNTS, [opened("account-1", typed), *MEMBERS]))


@pytest.fixture(scope="session")
def accounts() -> Accounts:
    """Two accounts, the applicant's and another organisation's, each with its members."""
    return accounts_after(NO_ACCOUNTS, [opened("account-1"), *MEMBERS, opened("account-2", "9900001-8")])


@pytest.fixture(scope="session")
def known(registers: Registers, accounts: Accounts) -> Knowledge:
    """The fictitious registers and those accounts."""
    return Knowledge(registers, accounts)


@pytest.fixture(scope="session")
def happen(profiles: Profiles, known: Knowledge) -> Happen:
    """`decide` with the shipped profiles, the fictitious registers and the accounts; by default now, without a case."""
    usual = known

    def happen(
        what: EventData | Happened,
        case: Case | None = None,
        now: datetime = NOW,
        known: Knowledge | None = None,
        **about: Any,
    ) -> Decision[Case]:
        happened = event(what, **about) if isinstance(what, EventData) else what
        return decide(profiles, case, happened, known or usual, now)

    return happen


@pytest.fixture(scope="session")
def submit(happen: Happen, known: Knowledge) -> Submit:
    """Submit a form with changed fields, from the applicant's own account."""

    def submit(
        base: Mapping[str, Any] = SERVER_FORM,
        attachments: tuple[Mapping[str, Any], ...] = (),
        csr: JudgedCsr | None = GOOD_CSR,
        actor: Mapping[str, str] = COLLEAGUE,
        at: datetime = NOW,
        now: datetime = NOW,
        **fields: Any,
    ) -> Decision[Case]:
        data = ApplicationSubmitted(
            case_id=CASE_ID,
            actor=Actor.model_validate(actor),
            form=Form.model_validate({**base, **fields}),
            attachments=tuple(Attachment.model_validate(each) for each in attachments),
            csr=None if csr is None else "as sent",
        )
        return happen(data, csr=csr, at=at, now=now, id=UUID(int=1), known=from_own_account(known, data.form))

    return submit


@pytest.fixture(scope="session")
def accepts(submit: Submit) -> Accepts:
    """Assert that an application is accepted. Return the decision."""

    def accepts(*base: Mapping[str, Any], **fields: Any) -> Decision[Case]:
        decision = submit(*base, **fields)
        assert decision.state is not None
        assert (decision.state.state, decision.state.deficiencies) == (CaseState.ACCEPTED, ())
        return decision

    return accepts


@pytest.fixture(scope="session")
def returns(submit: Submit) -> Returns:
    """Assert that an application is returned (or in `state`) with exactly these deficiencies. Return the view."""

    def returns(
        code: str | set[str], *base: Mapping[str, Any], state: CaseState = CaseState.RETURNED, **fields: Any
    ) -> CaseChanged:
        decision = submit(*base, **fields)
        (view,) = decision.events
        assert isinstance(view, CaseChanged)
        assert view.state is state
        assert {each.code for each in view.deficiencies} == ({code} if isinstance(code, str) else code)
        return view

    return returns


@pytest.fixture(scope="session")
def signature_form() -> Mapping[str, Any]:
    """A valid form for a system signature certificate; a private applicant also needs a conformity certificate."""
    return SIGNATURE_FORM


@pytest.fixture(scope="session")
def intermediary_form() -> Mapping[str, Any]:
    """A valid form of a Kanta intermediary."""
    return INTERMEDIARY_FORM


@pytest.fixture(scope="session")
def contact() -> Mapping[str, Any]:
    """A technical contact whose organisation bears no mark."""
    contact: Mapping[str, Any] = SERVER_FORM["technical_contact"]
    return contact


@pytest.fixture(scope="session")
def conformity() -> Mapping[str, Any]:
    """A valid conformity certificate."""
    return CONFORMITY


def reports() -> dict[str, EventData]:
    """Return other services' reports: each kind of event once."""
    mail = {"case_id": CASE_ID, "mail_id": UUID(int=7), "kind": "certificate-issued", "answer": "2xx", "attempts": 1}
    issued = CertificateIssued(
        case_id=CASE_ID,
        account_id="account-1",
        decision_id=UUID(int=2),
        type="server",
        issuer="production-ec",
        serial="0a" * 16,
        serial_decimal="123456789",
        subject="CN=kanta.onnela.example.fi",
        not_before=NOW,
        not_after=NOW + timedelta(days=730),
        fingerprint="0" * 64,
        key_sha256="1" * 64,
        profile="server",
        profile_version=1,
        certificate="MIIB",
        chain=("MIIB",),
        due=NOW,
        language="sv",
        recipients=(),
    )
    revocation = {
        "case_id": CASE_ID,
        "request_id": UUID(int=3),
        "serial": issued.serial,
        "requested_at": NOW + 5 * MINUTE,
    }
    revoked = {
        **revocation,
        "issuer": issued.issuer,
        "serial_decimal": issued.serial_decimal,
        "subject": issued.subject,
        "revoked_at": NOW + 6 * MINUTE,
        "crl_number": 1,
        "crl_url": "http://crl.example.fi/1.crl",
        "published_at": NOW + 6 * MINUTE,
        "language": "sv",
        "recipients": (),
    }
    texts = {"sv": "a", "fi": "b", "en": "c"}
    return {
        "issued": issued,
        "not issued": IssuingRefused(case_id=CASE_ID, code="no-signing", texts=texts),
        "voided": CertificateVoided(
            case_id=CASE_ID, issuer=issued.issuer, serial="0b" * 16, serial_decimal="1", code="crashed"
        ),
        "orderer has it": MailHandedOver(**mail, recipient="orderer", at=NOW + 2 * MINUTE),
        "contact has it": MailHandedOver(**mail, recipient="technical-contact", at=NOW + 3 * MINUTE),
        "contact refused": MailRefused(**mail, recipient="technical-contact", at=NOW + 3 * MINUTE),
        "orderer given up": MailGivenUp(**mail, recipient="orderer", at=NOW + 4 * MINUTE),
        "contact bounced": MailBounced(**mail, recipient="technical-contact", at=NOW + 5 * MINUTE),
        "return mailed": MailHandedOver(
            **{**mail, "kind": "application-returned"}, recipient="orderer", at=NOW + 1 * MINUTE
        ),
        "to be revoked": RevocationRegistered(**revocation, reason="no-longer-needed", due=NOW + timedelta(days=1)),
        "key exposed": RevocationRegistered(**revocation, reason="key-exposed", due=NOW + timedelta(days=1)),
        "revoked": CertificateRevoked(**revoked, reason="no-longer-needed"),
        "revoked for exposure": CertificateRevoked(**revoked, reason="key-exposed"),
        "not revoked": RevocationRefused(
            case_id=CASE_ID,
            request_id=UUID(int=4),
            account_id="account-1",
            in_case=True,
            code="no-such-certificate",
            texts=texts,
        ),
    }


def customer_events() -> dict[str, Event]:
    """Return events of the e-service, by name; by a colleague unless the name says so."""
    actor = Actor.model_validate(COLLEAGUE)
    form = Form.model_validate(SERVER_FORM)
    about = {"case_id": CASE_ID, "actor": actor}

    def by(**changes: str) -> dict[str, Any]:
        return {"case_id": CASE_ID, "actor": Actor.model_validate({**COLLEAGUE, **changes})}

    wrong = form.model_copy(update={"usages": ()})
    return {
        "submitted": event(ApplicationSubmitted(**about, form=form, csr="sent"), GOOD_CSR),
        "submitted without request": event(ApplicationSubmitted(**about, form=form)),
        "submitted wrongly": event(ApplicationSubmitted(**about, form=wrong, csr="sent"), GOOD_CSR),
        "submitted weakly": event(ApplicationSubmitted(**by(assurance="low"), form=form, csr="sent"), GOOD_CSR),
        "submitted by contact": event(ApplicationSubmitted(**by(**CONTACT), form=form)),
        "supplemented": event(ApplicationSupplemented(**about, form=form)),
        "supplemented with request": event(ApplicationSupplemented(**about, form=form, csr="sent"), GOOD_CSR),
        "supplemented wrongly": event(ApplicationSupplemented(**about, form=wrong)),
        "supplemented by another": event(ApplicationSupplemented(**by(account_id="account-2"), form=form)),
        "supplemented by contact": event(ApplicationSupplemented(**by(**CONTACT), form=form)),
        "request attached": event(CsrAttached(**about, csr="sent"), GOOD_CSR),
        "request attached by contact": event(CsrAttached(**by(**CONTACT), csr="sent"), GOOD_CSR),
        "request attached by another": event(CsrAttached(**by(account_id="account-2"), csr="sent"), GOOD_CSR),
        "request attached by operator": event(CsrAttached(**by(role="operator"), csr="sent"), GOOD_CSR),
        "bad request attached": event(CsrAttached(**about, csr="sent"), JudgedCsr(faults=("key-size",))),
        "withdrawn": event(ApplicationWithdrawn(**about)),
        "withdrawn weakly": event(ApplicationWithdrawn(**by(assurance="low"))),
        "withdrawn by contact": event(ApplicationWithdrawn(**by(**CONTACT))),
    }


@pytest.fixture(scope="session")
def happenings() -> dict[str, Event]:
    """All events of the case, by name, with fixed ids."""
    reported = {name: event(data, at=NOW + MINUTE) for name, data in reports().items()}
    both = {**customer_events(), **reported}
    return {name: replace(each, id=UUID(int=100 + place)) for place, (name, each) in enumerate(both.items())}


@pytest.fixture(scope="session")
def after(happen: Happen, happenings: dict[str, Event]) -> Callable[..., Case | None]:
    """Return the case after the named events, in order."""

    def after(*names: str, case: Case | None = None) -> Case | None:
        for name in names:
            case = happen(happenings[name], case).state
        return case

    return after
