"""What a customer sees of an issuance that is stopped before signing (B3)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from servicecert_intake.domain.case import Case
from servicecert_intake.domain.view import case_changed
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import IssuingStopped
from servicecert_schemas.event import EventData
from servicecert_schemas.values import Texts

Happen = Callable[..., Any]
After = Callable[..., Case]


def view(decision: Any) -> CaseChanged:
    (changed,) = (event for event in decision.events if isinstance(event, CaseChanged))
    return changed


def test_B3_stopped_case_says_that_the_authority_acts_until_it_is_issued(
    happen: Happen, after: After, happenings: Mapping[str, EventData]
) -> None:
    case = after("submitted")
    stopped = IssuingStopped(case_id=case.case_id, code="stopped", texts=Texts(sv="a", fi="b", en="c"))
    decision = happen(stopped, case)
    seen = view(decision)
    assert seen.state is CaseState.ACCEPTED
    assert seen.answer is not None
    assert seen.answer.code == "stopped"
    assert "fault of its own" in seen.next_step.en
    assert case_changed(replace(decision.state, stopped=False)).next_step == seen.next_step, (
        "stored by the last release"
    )
    refused = happen(happenings["not revoked"], decision.state)
    assert view(refused).answer.code == "no-such-certificate"
    assert view(refused).next_step == seen.next_step
    issued = view(happen(happenings["issued"], decision.state))
    assert issued.state is CaseState.ISSUED
    assert issued.answer is None


def test_B3_what_is_issued_already_is_not_told_as_stopped(happen: Happen, after: After) -> None:
    case = after("submitted", "issued")
    stopped = IssuingStopped(case_id=case.case_id, code="stopped", texts=Texts(sv="a", fi="b", en="c"))
    assert happen(stopped, case).events == ()
