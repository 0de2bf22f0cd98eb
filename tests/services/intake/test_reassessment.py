"""A11: a case that waits for the registers is judged again each night, by the registers of that day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from servicecert_intake.domain.case import REASSESS, Case, Waiting
from servicecert_intake.domain.deadlines import due_time, next_night
from servicecert_intake.domain.decide import decide
from servicecert_intake.domain.knowledge import Knowledge
from servicecert_intake.domain.registers.snapshot import Registers, apply
from servicecert_intake.domain.rules.deficiencies import SEVERITIES, Severity
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.register import LongNames, Organisation, RegisterEntry
from servicecert_worker.core.decider import Decision, Due
from services.intake.conftest import from_own_account

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 25, 2, 5, tzinfo=UTC)
MISSING = {"applicant": {"business_id": "0204819-8"}, "unit_long_name": "Uudensadun apteekki"}


@pytest.fixture
def later(registers: Registers) -> Registers:
    """The registers after the new pharmacy was entered."""
    entry = Organisation(
        oid="1.2.246.10.2048198",
        business_id="0204819-8",
        registered_name="Apteekkari Ukko Uusi",
        names=LongNames(fi="Uudensadun apteekki"),
        sector="private",
        organisation_kind="pharmacy",
        valid_from=date(2026, 11, 24),
    )
    return apply(registers, [("organisation/new", RegisterEntry(entry_id="organisation/new", entry=entry))])


@pytest.fixture
def night(profiles):
    """Return the decision when the reassessment of a case of the own account is due."""

    def night(case: Case | None, registers: Registers, now: datetime = NIGHT, kind: str = "recheck") -> Decision[Case]:
        known = Knowledge(registers) if case is None else from_own_account(Knowledge(registers), case.form)
        return decide(profiles, case, Due(uuid4(), "case", kind, now), known, now)

    return night


def rechecks(decision):
    """Return the times of the next reassessment; None where it is cancelled."""
    return [each.at for each in decision.deadlines if each.kind == REASSESS]


def test_I5_what_was_sent_before_and_waits_is_decided_before_the_registers_are_asked_again(
    submit, night, later, happenings
):
    case = submit(**MISSING).state
    case = replace(case, waiting=(Waiting.of(happenings["withdrawn"], NIGHT),))
    decision = night(case, later)
    assert decision.state is case
    assert not decision.events
    assert rechecks(decision) == [NIGHT + timedelta(minutes=1)]
    assert night(replace(case, waiting=()), later).state.state is CaseState.ACCEPTED


def test_A11_what_the_registers_can_mend_is_judged_again_the_next_night(submit, registers):
    decision = submit(**MISSING)
    (at,) = rechecks(decision)
    assert decision.state.state is CaseState.RETURNED
    assert NOW < at < NOW + timedelta(hours=20)
    assert 2 <= at.astimezone(HELSINKI).hour < 4
    assert decision.state.judged_by == registers.fingerprint


def test_A11_what_only_the_applicant_can_mend_is_not(submit):
    decision = submit(usages=[])
    assert decision.state.state is CaseState.RETURNED
    assert (rechecks(decision), decision.state.judged_by) == ([], None)


def test_A11_an_application_that_is_refused_or_accepted_does_not_wait(submit, signature_form):
    supplier = {"applying_as": "it-supplier", "applicant": {"business_id": "9900074-7"}, "unit_long_name": "?"}
    refused = submit({**signature_form, **supplier})
    assert refused.state.state is CaseState.REFUSED
    assert rechecks(refused) == rechecks(submit()) == []


def test_A11_A13_a_case_that_became_right_is_accepted_and_its_clock_starts_that_day(submit, night, later):
    case = submit(**MISSING).state
    decision = night(case, later)
    view, accepted = decision.events
    assert isinstance(accepted, ApplicationAccepted)
    assert accepted.subject.organisational_unit == "Uudensadun apteekki"
    assert accepted.due == due_time(NIGHT) != due_time(NOW)
    assert (view.state, view.version) == (CaseState.ACCEPTED, case.version + 1)
    assert rechecks(decision) == [None]
    assert decision.state.judged_by is None


def test_A12_a_case_whose_last_day_has_passed_is_not_judged_again(submit, night, later):
    case = submit(**MISSING).state
    after = case.lapses + timedelta(seconds=1)
    assert night(case, later, case.lapses).state.state is CaseState.ACCEPTED
    assert night(case, later, after) == Decision(case)


def test_A11_a_case_that_became_right_without_request_waits_for_it(submit, night, later):
    decision = night(submit(csr=None, **MISSING).state, later)
    assert decision.state.state is CaseState.WAITING_FOR_CSR


def test_A11_where_the_same_is_lacking_nobody_is_told_and_the_next_night_is_another_try(submit, night, registers):
    case = replace(submit(**MISSING).state, judged_by="others")
    decision = night(case, registers)
    assert decision.events == ()
    assert decision.state == replace(case, judged_by=registers.fingerprint)
    (at,) = rechecks(decision)
    assert NIGHT + timedelta(hours=20) < at < NIGHT + timedelta(hours=28)


def test_A11_where_something_else_is_lacking_than_before_the_applicant_is_told(submit, night, later):
    case = submit(usages=[], **MISSING).state
    decision = night(case, later)
    (view,) = decision.events
    assert isinstance(view, CaseChanged)
    assert [each.code for each in view.deficiencies] == ["usages-missing"]
    assert rechecks(decision) == [None]


@pytest.mark.parametrize("kind", ["recheck", "another"])
def test_A11_a_case_that_does_not_wait_stays_as_it_is(submit, night, later, kind):
    for case in (submit().state, submit(usages=[]).state, None):
        decision = night(case, later, kind=kind)
        assert decision.state is case
        assert (decision.events, decision.deadlines) == ((), ())


def test_A11_a_withdrawn_case_waits_no_more(submit, happen, happenings):
    decision = happen(happenings["withdrawn"], submit(**MISSING).state)
    assert rechecks(decision) == [None]


def test_A11_a_supplement_is_judged_as_of_its_own_day(submit, happen, happenings):
    decision = happen(happenings["supplemented with request"], submit(**MISSING).state)
    assert decision.state.state is CaseState.ACCEPTED
    assert decision.state.due == due_time(NOW)


@pytest.mark.parametrize("now", [NOW, datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)])
def test_A11_the_cases_of_a_night_are_spread_over_two_hours_also_when_the_clocks_change(now):
    times = [next_night(UUID(int=number), now) for number in range(1_000)]
    assert timedelta(minutes=110) < max(times) - min(times) < timedelta(hours=2)
    assert min(times).astimezone(HELSINKI).time().hour == 2
    assert all(now < each < now + timedelta(hours=26) for each in times)


def test_A11_before_its_minute_of_the_night_a_case_waits_for_that_and_after_it_for_the_next():
    minute = next_night(UUID(int=5), NOW)
    assert next_night(UUID(int=5), minute - timedelta(minutes=1)) == minute
    assert next_night(UUID(int=5), minute) == minute + timedelta(days=1)


def test_A11_every_answer_of_a_register_may_change_by_itself():
    assert {code for code, severity in SEVERITIES.items() if severity is Severity.REASSESSED} == {
        "applicant-not-registered",
        "organisation-oid-mismatch",
        "capacity-mismatch",
        "intermediary-not-listed",
        "intermediary-mark-unfounded",
        "unit-not-found",
        "unit-of-another-organisation",
        "unit-name-too-long",
        "organisation-name-too-long",
        "registered-name-letters",
        "conformity-certificate-unknown",
    }
