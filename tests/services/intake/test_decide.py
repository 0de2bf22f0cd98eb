"""The life of a case: A1 to A3, A10, A13, A15, E1."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from servicecert_intake.domain.decide import HANDLERS
from servicecert_intake.domain.view import ANSWERS
from servicecert_schemas.application import ApplicationSubmitted
from servicecert_schemas.case import CaseState, EventRefused
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.revocation import CrlPublished
from servicecert_worker.core.decider import Due, Event, Unanswerable
from services.intake.conftest import event

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def view(decision):
    return decision.events[0]


def states(decision):
    return [entry.state for entry in view(decision).history]


def test_A1_an_accepted_application_says_all_that_issuing_needs(accepts):
    decision = accepts(customer_reference="ref-1", validity_days=365, start_date="2026-12-01")
    changed, accepted = decision.events
    assert isinstance(accepted, ApplicationAccepted)
    assert (accepted.account_id, accepted.csr, accepted.language) == ("account-1", "MIIB", "sv")
    assert (accepted.validity_days, accepted.start_date) == (365, date(2026, 12, 1))
    assert accepted.decision_id == changed.decision.decision_id == uuid5(accepted.case_id, str(UUID(int=1)))
    assert accepted.due == changed.due == datetime(2026, 12, 1, 21, 59, 59, tzinfo=UTC)
    assert changed.decision.date == date(2026, 11, 24)
    assert changed.applied_for.customer_reference == "ref-1"


def test_A1_the_same_event_is_decided_alike(submit):
    assert submit() == submit()


def test_A1_a_second_submission_is_answered(after, happen, happenings):
    pending = happen(happenings["submitted wrongly"], after("submitted without request"))
    assert view(pending).answer.code == "already-submitted"
    decision = happen(happenings["submitted wrongly"], after("submitted"))
    assert view(decision).answer.code == "too-late-accepted", "it cannot be supplemented, but withdrawn"
    assert (view(decision).state, view(decision).version) == (CaseState.ACCEPTED, 2)
    assert len(decision.events) == 1


@pytest.mark.parametrize(
    ("name", "code"), [("submitted weakly", "not-strongly-authenticated"), ("submitted by contact", "role-not-allowed")]
)
def test_A2_a_submission_by_the_wrong_user_is_a_refused_case(happen, happenings, name, code):
    decision = happen(happenings[name])
    assert states(decision) == [CaseState.SUBMITTED, CaseState.REFUSED]
    assert view(decision).answer.code == code


@pytest.mark.parametrize("assurance", ["substantial", "high"])
def test_A2_strong_authentication_is_substantial_or_high(accepts, assurance):
    accepts(actor={"user_id": "u", "account_id": "account-1", "assurance": assurance, "role": "colleague"})


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("withdrawn weakly", "not-strongly-authenticated"),
        ("request attached by operator", "role-not-allowed"),
        ("withdrawn by contact", "role-not-allowed"),
        ("supplemented by contact", "role-not-allowed"),
    ],
)
def test_A2_the_wrong_user_is_answered_and_changes_nothing_else(after, happen, happenings, name, code):
    before = after("submitted without request")
    decision = happen(happenings[name], before)
    assert view(decision).answer.code == code
    assert view(decision).answer.event_id == happenings[name].id
    assert (decision.state.form, decision.state.csr, decision.state.state) == (before.form, before.csr, before.state)


def test_A3_without_a_request_the_case_waits_for_it(happen, happenings):
    decision = happen(happenings["submitted without request"])
    assert states(decision) == [CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR]
    assert "Technical contact" in view(decision).next_step.en


@pytest.mark.parametrize("name", ["request attached", "request attached by contact"])
def test_A3_the_request_completes_the_application(after, happen, happenings, name):
    decision = happen(happenings[name], after("submitted without request"))
    assert states(decision) == [CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.ACCEPTED]
    assert isinstance(decision.events[1], ApplicationAccepted)


def test_A3_a_bad_request_returns_the_case_and_a_good_one_mends_it(after, happen, happenings):
    returned = happen(happenings["bad request attached"], after("submitted without request"))
    assert [each.code for each in view(returned).deficiencies] == ["key-size"]
    assert happen(happenings["request attached"], returned.state).state.state is CaseState.ACCEPTED


def test_A10_a_returned_case_says_what_to_do(happen, happenings):
    decision = happen(happenings["submitted wrongly"])
    assert states(decision) == [CaseState.SUBMITTED, CaseState.RETURNED]
    assert [each.role for each in view(decision).recipients] == ["orderer", "technical-contact"]
    assert "deficiencies" in view(decision).next_step.en


def test_A10_a_supplement_is_checked_from_the_start_with_the_earlier_request(after, happen, happenings):
    decision = happen(happenings["supplemented"], after("submitted wrongly"))
    assert states(decision) == [CaseState.SUBMITTED, CaseState.RETURNED, CaseState.ACCEPTED]
    assert (view(decision).deficiencies, view(decision).version) == ((), 2)


def test_A10_a_supplement_that_mends_all_but_the_request_waits_for_it(after, happen, happenings):
    returned = after("submitted without request", "supplemented wrongly")
    assert "CSR" in happen(happenings["supplemented wrongly"], returned).events[0].next_step.en
    decision = happen(happenings["supplemented"], returned)
    assert view(decision).state is CaseState.WAITING_FOR_CSR
    assert view(decision).deficiencies == ()


def test_A10_a_supplement_may_bring_the_request(after):
    assert after("submitted without request", "supplemented with request").state is CaseState.ACCEPTED


def test_A10_a_supplement_that_mends_nothing_is_a_change_but_no_new_state(after, happen, happenings):
    decision = happen(happenings["supplemented wrongly"], after("submitted wrongly"))
    assert states(decision) == [CaseState.SUBMITTED, CaseState.RETURNED]
    assert view(decision).version == 2


def test_A10_C4_how_often_a_supplement_was_returned_is_shown(after, happen, happenings):
    assert happen(happenings["supplemented wrongly"], after("submitted without request")).events[0].returned_again == 0
    case = after("submitted wrongly")
    for again in (1, 2):
        decision = happen(happenings["supplemented wrongly"], case)
        case = decision.state
        assert view(decision).returned_again == again


def test_A13_the_clock_starts_with_the_last_part(after, happen, happenings):
    later = happenings["request attached"].time + timedelta(days=1)
    attached = Event(UUID(int=9), "", happenings["request attached"].data, later, happenings["request attached"].facts)
    decision = happen(attached, after("submitted without request"), now=later)
    assert view(decision).due == datetime(2026, 12, 2, 21, 59, 59, tzinfo=UTC)


def test_A13_the_clock_starts_when_it_was_sent_not_when_it_is_handled(accepts):
    decision = accepts(now=NOW + timedelta(days=3))
    assert view(decision).due == datetime(2026, 12, 1, 21, 59, 59, tzinfo=UTC)
    assert view(decision).decision.date == date(2026, 11, 27)


def test_A13_a_sender_whose_clock_is_ahead_gains_nothing(accepts):
    assert view(accepts(at=NOW + timedelta(days=30))).due == datetime(2026, 12, 1, 21, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("before", ["submitted without request", "submitted wrongly"])
def test_A15_a_case_is_withdrawn_before_it_is_accepted(after, happen, happenings, before):
    decision = happen(happenings["withdrawn"], after(before))
    assert states(decision)[-1] is CaseState.WITHDRAWN
    assert (view(decision).deficiencies, len(decision.events)) == ((), 1)


@pytest.mark.parametrize("name", ["supplemented", "request attached"])
def test_A15_what_is_accepted_cannot_be_changed(after, happen, happenings, name):
    assert view(happen(happenings[name], after("submitted"))).answer.code == "too-late-accepted"


@pytest.mark.parametrize("name", ["withdrawn", "supplemented", "request attached"])
@pytest.mark.parametrize(
    ("before", "code"),
    [
        (("submitted", "issued"), "too-late-issued"),
        (("submitted", "issued", "orderer has it", "contact has it"), "too-late-issued"),
        (("submitted", "issued", "to be revoked"), "too-late-revoked"),
        (("submitted", "issued", "revoked"), "too-late-revoked"),
        (("submitted", "not issued"), "too-late-refused"),
        (("submitted wrongly", "withdrawn"), "too-late-withdrawn"),
        (("submitted weakly",), "too-late-refused"),
    ],
)
def test_A15_who_comes_too_late_is_told_so(after, happen, happenings, before, code, name):
    case = after(*before)
    decision = happen(happenings[name], case)
    assert view(decision).answer.code == code
    assert (view(decision).state, len(decision.events)) == (case.state, 1)


def test_E1_why_issuing_was_refused_is_said_after_later_events_too(after, happen, happenings):
    case, reason = after("submitted", "not issued"), happenings["not issued"].data.texts.fi
    for name in ("supplemented", "withdrawn", "withdrawn"):
        decision = happen(happenings[name], case)
        case = decision.state
        assert view(decision).answer.texts.fi == f"{reason} {ANSWERS['too-late-refused'].fi}"


def refused(decision):
    """Return the single event, which refuses another outside all cases."""
    (event,) = decision.events
    assert isinstance(event, EventRefused)
    return event


OUTSIDERS = ("supplemented by another", "request attached by another")


@pytest.mark.parametrize("name", ["supplemented", "request attached", "withdrawn", *OUTSIDERS])
def test_A2_an_event_of_no_case_is_refused_under_the_account_of_its_user(happen, happenings, name):
    happened = happenings[name]
    decision = happen(happened)
    event = refused(decision)
    assert decision.state is None
    assert (event.event_id, event.account_id, event.code) == (
        happened.id,
        happened.data.actor.account_id,
        "no-such-case",
    )
    assert event.key() == f"account/{event.account_id}"


@pytest.mark.parametrize("name", OUTSIDERS)
@pytest.mark.parametrize(
    "before", [("submitted wrongly",), ("submitted", "issued"), ("submitted wrongly", "withdrawn")]
)
def test_A2_an_outsider_does_not_learn_whether_a_case_exists_and_changes_nothing(
    after, happen, happenings, before, name
):
    case = after(*before)
    decision = happen(happenings[name], case)
    assert decision.state is case
    assert refused(decision) == refused(happen(happenings[name]))


@pytest.mark.parametrize("name", ["issued", "orderer has it", "revoked"])
def test_I1_whatever_else_happens_to_no_case_is_put_before_an_operator(happen, happenings, name):
    with pytest.raises(Unanswerable) as caught:
        happen(happenings[name])
    assert caught.value.code == "no-such-case"


def test_what_no_view_can_change_with_is_not_heeded(happenings):
    crl = CrlPublished(
        issuer="production-ec",
        number=1,
        this_update=NOW,
        next_update=NOW,
        entries=0,
        url="http://crl.example.fi/1.crl",
        sha256="0" * 64,
    )
    assert type(crl) not in HANDLERS
    assert type(happenings["voided"].data) not in HANDLERS
    assert type(happenings["issued"].data) in HANDLERS


def test_a_deadline_that_intake_did_not_set_changes_nothing(after, happen):
    case = after("submitted")
    assert happen(Due(UUID(int=5), str(case.case_id), "unknown", NOW), case).state is case


def test_E1_an_answer_is_shown_until_the_case_moves_on(after, happen, happenings):
    case = after("submitted without request", "withdrawn weakly")
    moved = happen(happenings["request attached"], case, now=NOW + timedelta(minutes=1))
    assert moved.events[0].answer is None


@pytest.mark.parametrize("name", ["voided", "issued", "not issued", "orderer has it", "to be revoked", "revoked"])
def test_I2_what_is_known_already_changes_nothing(after, happen, happenings, name):
    case = after("submitted", "not issued", "issued", "orderer has it", "to be revoked", "revoked")
    assert happen(happenings[name], case).state is case
    assert happen(happenings[name], case).events == ()


def test_a_long_history_keeps_its_first_and_newest_states(after, happenings, happen):
    case = after("submitted without request")
    for _ in range(120):
        case = after("supplemented wrongly", "supplemented", case=case)
    changed = happen(happenings["request attached"], case).events[0]
    assert (changed.history[0].state, changed.history[-1].state) == (CaseState.SUBMITTED, CaseState.ACCEPTED)
    assert len(changed.history) == 150
    assert changed.version == 242


def test_a_case_of_any_size_fits_an_event(submit, happen):
    worst = "\x01" * 200
    decision = submit(names={"dns": [worst] * 100, "ip": [worst] * 100}, unit_long_name=worst)
    changed = decision.events[0]
    assert len(changed.deficiencies) == 50
    assert (len(changed.applied_for.dns), len(changed.applied_for.ip)) == (100, 0)
    assert len(changed.model_dump_json().encode()) < 262_144


def test_a_request_that_was_not_judged_counts_as_none(happen, happenings):
    sent = happenings["submitted"]
    assert isinstance(sent.data, ApplicationSubmitted)
    assert sent.data.csr
    assert happen(event(sent.data)).state.state is CaseState.WAITING_FOR_CSR
