"""A15: a withdrawal races with the signing, and exactly one of them wins."""

from dataclasses import replace

import pytest
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import AcceptedWithdrawn, IssuingRefused


@pytest.fixture
def in_time(happenings):
    """What the issuer answers where nothing was signed."""
    refused = happenings["not issued"]
    data = IssuingRefused(case_id=refused.data.case_id, code="withdrawn", texts=refused.data.texts)
    return replace(refused, data=data)


def view(decision):
    return decision.events[0]


def test_A15_an_accepted_application_is_withdrawn_by_asking_the_issuer_once(after, happen, happenings):
    asked = happen(happenings["withdrawn"], after("submitted"))
    changed, withdrawn = asked.events
    assert (changed.state, changed.answer.code) == (CaseState.ACCEPTED, "withdrawal-under-way")
    assert withdrawn == AcceptedWithdrawn(case_id=changed.case_id)
    again = happen(happenings["withdrawn"], asked.state)
    assert [type(event).__name__ for event in again.events] == ["CaseChanged"]


def test_A15_in_time_it_is_withdrawn(after, happen, happenings, in_time):
    decision = happen(in_time, after("submitted", "withdrawn"))
    assert (view(decision).state, view(decision).answer) == (CaseState.WITHDRAWN, None)
    assert view(decision).history[-1].state is CaseState.WITHDRAWN
    assert view(decision).due is None
    assert happen(in_time, decision.state).state is decision.state
    late = happen(happenings["withdrawn"], decision.state)
    assert view(late).answer.code == "too-late-withdrawn"


def test_A15_too_late_it_is_issued_and_told_so(after, happen, happenings, in_time):
    decision = happen(happenings["issued"], after("submitted", "withdrawn"))
    assert (view(decision).state, view(decision).answer.code) == (CaseState.ISSUED, "too-late-issued")
    assert view(decision).answer.event_id == happenings["withdrawn"].id
    assert decision.state.withdrawal is None
    assert view(happen(happenings["orderer has it"], decision.state)).answer is not None


def test_A15_another_refusal_of_the_issuer_is_a_refused_case(after, happen, happenings):
    decision = happen(happenings["not issued"], after("submitted", "withdrawn"))
    assert (view(decision).state, view(decision).answer.code) == (CaseState.REFUSED, "no-signing")


def test_A1_the_same_application_again_is_answered_as_received(after, happen, happenings):
    for before in (("submitted",), ("submitted", "issued"), ("submitted wrongly", "supplemented")):
        assert view(happen(happenings["submitted"], after(*before))).answer.code == "already-received"
    other = happen(happenings["submitted wrongly"], after("submitted"))
    assert view(other).answer.code == "too-late-accepted"
    for again in ("submitted", "submitted wrongly"):
        ended = happen(happenings[again], after("submitted", "issued", "revoked"))
        assert view(ended).answer.code == "too-late-revoked"


def test_A1_an_application_of_a_case_that_ended_without_a_certificate_is_to_be_made_anew(
    after, happen, happenings, in_time
):
    withdrawn = happen(in_time, after("submitted", "withdrawn")).state
    refused = happen(happenings["not issued"], after("submitted")).state
    for ended, code in ((withdrawn, "too-late-withdrawn"), (refused, "too-late-refused")):
        for sent in ("submitted", "submitted wrongly"):
            again = view(happen(happenings[sent], ended))
            assert (again.state, again.answer.code) == (ended.state, code)
