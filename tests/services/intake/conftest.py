"""An application that is right in all respects, the fictitious registers, and the assertions that most tests of the rules share."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import thread_time
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from servicecert_intake.case import Case
from servicecert_intake.decide import decide
from servicecert_intake.register_file import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.registers import NO_REGISTERS, Registers, apply
from servicecert_intake.rules.application import JudgedCsr
from servicecert_pki.profiles import Profiles, load_profiles
from servicecert_schemas.application import ApplicationSubmitted, Attachment, Form
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.event import Actor, EventData
from servicecert_worker.decider import Decision, Event, Happened

# A machine that does much else at the same time makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
CASE_ID = UUID("0d9bb3a2-5d0a-4c5e-8a43-4b7d6c1c9f10")
GOOD_CSR = JudgedCsr(der="MIIB")
COLLEAGUE = {"user_id": "user-1", "account_id": "account-1", "assurance": "substantial", "role": "colleague"}

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


def event(data: EventData, facts: Any = None, at: datetime = NOW, id: UUID | None = None) -> Event:
    return Event(id or uuid4(), data.key(), data, at, facts)


@pytest.fixture(scope="session")
def profiles() -> Profiles:
    return load_profiles()


@pytest.fixture(scope="session")
def registers() -> Registers:
    return apply(NO_REGISTERS, [(entry.key(), entry) for entry in read_register(FICTITIOUS_REGISTERS)])


@pytest.fixture(scope="session")
def happen(profiles: Profiles, registers: Registers) -> Happen:
    """`decide` with the shipped profiles and the fictitious registers: by default what happens now, to no case."""

    def happen(
        what: EventData | Happened, case: Case | None = None, now: datetime = NOW, **about: Any
    ) -> Decision[Case]:
        happened = event(what, **about) if isinstance(what, EventData) else what
        return decide(profiles, case, happened, registers, now)

    return happen


@pytest.fixture(scope="session")
def submit(happen: Happen) -> Submit:
    """Submits a form with those of its fields changed that are named."""

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
        return happen(data, facts=csr, at=at, now=now, id=UUID(int=1))

    return submit


@pytest.fixture(scope="session")
def accepts(submit: Submit) -> Accepts:
    """Asserts that an application is accepted, and gives the decision."""

    def accepts(*base: Mapping[str, Any], **fields: Any) -> Decision[Case]:
        decision = submit(*base, **fields)
        assert decision.state is not None
        assert (decision.state.state, decision.state.deficiencies) == (CaseState.ACCEPTED, ())
        return decision

    return accepts


@pytest.fixture(scope="session")
def returns(submit: Submit) -> Returns:
    """Asserts that an application is returned (or comes to another state) with exactly these deficiencies, and gives the view."""

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
    """A right application for a system signature certificate, but for the conformity certificate of a private applicant."""
    return SIGNATURE_FORM


@pytest.fixture(scope="session")
def intermediary_form() -> Mapping[str, Any]:
    """A right application of a Kanta intermediary."""
    return INTERMEDIARY_FORM


@pytest.fixture(scope="session")
def contact() -> Mapping[str, Any]:
    """A technical contact whose organisation bears no mark."""
    contact: Mapping[str, Any] = SERVER_FORM["technical_contact"]
    return contact


@pytest.fixture(scope="session")
def conformity() -> Mapping[str, Any]:
    """A conformity certificate that is right."""
    return CONFORMITY


@pytest.fixture
def timed() -> Callable[[Callable[[], object]], float]:
    """The processor time in seconds of the quickest of some calls, which the machine's other work lengthens least."""

    def timed(call: Callable[[], object], calls: int = 7) -> float:
        spent = []
        for _ in range(calls):
            before = thread_time()
            call()
            spent.append(thread_time() - before)
        return min(spent)

    return timed
