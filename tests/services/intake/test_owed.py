"""I1: what a case owes to intake's topics is what was published about it, the same each time."""

from dataclasses import replace
from uuid import uuid4

import pytest
from servicecert_intake.domain.owed import owed
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted, IssuingStopped
from servicecert_schemas.deadline import DeadlineMark, DeadlineWarned
from servicecert_schemas.values import Texts


def events(case, kind):
    return [each.data for each in owed(case) if isinstance(each.data, kind)]


@pytest.mark.parametrize(
    "before",
    [
        ("submitted wrongly",),
        ("submitted",),
        ("submitted", "withdrawn"),
        ("submitted", "issued"),
        ("submitted", "issued", "orderer has it"),
        ("submitted", "issued", "to be revoked"),
        ("submitted", "not issued"),
    ],
)
def test_E1_the_view_is_the_last_one_that_was_published(after, happen, happenings, before):
    *earlier, last = before
    decision = happen(happenings[last], after(*earlier) if earlier else None)
    (published,) = [each for each in decision.events if isinstance(each, CaseChanged)]
    assert events(decision.state, CaseChanged) == [published]


def test_I1_an_accepted_application_is_owed_as_it_was_until_the_issuer_answers(after, happen, happenings):
    decision = happen(happenings["submitted"], None)
    (accepted,) = [each for each in decision.events if isinstance(each, ApplicationAccepted)]
    assert events(decision.state, ApplicationAccepted) == [accepted]
    stopped = IssuingStopped(case_id=accepted.case_id, code="stopped", texts=Texts(sv="a", fi="b", en="c"))
    assert events(happen(stopped, decision.state).state, ApplicationAccepted) == [accepted]
    for answer in ("issued", "not issued"):
        answered = happen(happenings[answer], decision.state).state
        assert answered.forwarded is None, "the request is kept no longer than it is needed"
        assert events(answered, ApplicationAccepted) == []


def test_A15_of_a_withdrawn_application_only_the_withdrawal_is_owed(after):
    case = after("submitted", "withdrawn")
    assert case.state is CaseState.ACCEPTED
    assert events(case, AcceptedWithdrawn) == [AcceptedWithdrawn(case_id=case.case_id)]
    assert events(case, ApplicationAccepted) == []


def test_E2_the_last_warning_is_owed_while_its_clock_runs(after):
    case = replace(after("submitted wrongly"), told=DeadlineMark.HALF)
    (warned,) = events(case, DeadlineWarned)
    assert warned.mark is DeadlineMark.HALF
    assert events(replace(after("submitted", "not issued"), told=DeadlineMark.HALF), DeadlineWarned) == []


@pytest.mark.parametrize("report", ["issued", "not issued", "to be revoked", "revoked", "orderer has it"])
def test_I2_a_report_that_is_known_changes_nothing_under_another_id(after, happen, happenings, report):
    before = ("submitted",) if report in ("issued", "not issued") else ("submitted", "issued")
    case = happen(happenings[report], after(*before)).state
    decision = happen(replace(happenings[report], id=uuid4()), case)
    assert (decision.state, decision.events) == (case, ())


def test_I2_a_stop_that_is_known_changes_nothing(after, happen):
    case = after("submitted")
    stopped = IssuingStopped(case_id=case.case_id, code="stopped-request", texts=Texts(sv="a", fi="b", en="c"))
    told = happen(stopped, case).state
    assert happen(stopped, told).events == ()


def test_what_an_earlier_version_accepted_has_no_request_to_send_again(after):
    assert events(replace(after("submitted"), forwarded=None), ApplicationAccepted) == []
