"""Every event in every state: a defined outcome, a new version with each change, only allowed transitions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.decide import HANDLERS
from servicecert_schemas.application import ApplicationEvent
from servicecert_schemas.case import CaseChanged, CaseState, EventRefused, HistoryEntry
from servicecert_schemas.codec import decode, to_record
from servicecert_schemas.topics import unversioned
from servicecert_schemas.upcasting import UPCASTERS, as_written, upcast
from servicecert_worker.core.decider import Decision, Unanswerable
from services.intake.steps import ALLOWED_TRANSITIONS
from services.intake.steps import TRANSITION_CAUSES as DRAWN

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
TRANSITION_CAUSES = {
    CaseState.WAITING_FOR_CSR: ("submitted without request",),
    CaseState.RETURNED: ("submitted wrongly",),
    CaseState.ACCEPTED: ("submitted",),
    CaseState.ISSUED: ("submitted", "issued"),
    CaseState.DELIVERED: ("submitted", "issued", "orderer has it", "contact has it"),
    CaseState.WITHDRAWN: ("submitted wrongly", "withdrawn"),
    CaseState.REFUSED: ("submitted weakly",),
    CaseState.REVOCATION_REQUESTED: ("submitted", "issued", "to be revoked"),
    CaseState.REVOKED: ("submitted", "issued", "revoked"),
}
TOPICS = (
    ("submitted wrongly", "withdrawn weakly", "supplemented by another"),
    ("voided", "issued"),
    ("not revoked", "to be revoked", "key exposed", "revoked for exposure"),
    ("orderer has it", "contact refused", "return mailed"),
)
"""What each topic may tell of an accepted case, in its order."""


@pytest.fixture(scope="session")
def cases(after: Callable[..., Case]) -> dict[CaseState, Case]:
    """Return a case in each state; the lapsed one is constructed."""
    reached = {state: after(*way) for state, way in TRANSITION_CAUSES.items()}
    returned = reached[CaseState.RETURNED]
    lapsed = HistoryEntry(state=CaseState.LAPSED, at=NOW)
    made = replace(returned, filed=CaseState.LAPSED, entered=(*returned.entered, lapsed), deficiencies=())
    submitted = replace(returned, filed=CaseState.SUBMITTED, entered=returned.entered[:1], deficiencies=())
    return {**reached, CaseState.LAPSED: made, CaseState.SUBMITTED: submitted}


def test_every_state_is_there(cases):
    assert cases.keys() == set(CaseState) == ALLOWED_TRANSITIONS.keys()
    assert all(case.state is state for state, case in cases.items())


def assert_defined(before: Case, decision: Decision[Case]) -> None:
    """Nothing changed and nothing is published, or the case has the next version, an allowed state and a valid view."""
    after = decision.state
    if after is before:
        assert all(isinstance(event, EventRefused) for event in decision.events)
        return
    changed = decision.events[0]
    assert isinstance(changed, CaseChanged)
    assert (changed.version, changed.state) == (before.version + 1, after.state)
    assert changed.state is before.state or changed.state in ALLOWED_TRANSITIONS[before.state]
    assert changed.history[-1].state is changed.state
    record = to_record(changed, source="/intake", id=before.case_id, time=NOW)
    assert decode(record.topic, record.key, record.headers, record.value)[1] == upcast(as_written(changed), UPCASTERS)


@pytest.mark.parametrize("state", CaseState)
def test_I8_whatever_happens_has_a_defined_outcome(cases, happen, happenings, state):
    for happened in happenings.values():
        assert_defined(cases[state], happen(happened, cases[state]))


@pytest.mark.parametrize("state", CaseState)
def test_I1_everything_that_a_customer_does_is_answered(cases, happen, happenings, state):
    customers = [each for each in happenings.values() if isinstance(each.data, ApplicationEvent)]
    assert all(happen(each, cases[state]).events for each in customers)


def test_everything_can_happen_first(happen, happenings):
    for happened in (each for each in happenings.values() if type(each.data) in HANDLERS):
        try:
            decision = happen(happened)
        except Unanswerable:
            continue
        assert decision.events
        assert (decision.state is None) is isinstance(decision.events[0], EventRefused)


@given(data=st.data())
def test_I12_topics_may_overtake_one_another(after, data):
    """Each topic is in order; how they interleave does not matter."""
    left = [list(topic) for topic in TOPICS]
    mingled = []
    while left := [topic for topic in left if topic]:
        mingled.append(data.draw(st.sampled_from(left)).pop(0))
    one, other = after("submitted", *mingled), after("submitted", *(name for topic in TOPICS for name in topic))
    # The last of two answers is shown.
    assert replace(one, answer=None) == replace(other, answer=None)


@given(data=st.data())
def test_I8_along_any_way_versions_grow_and_states_do_not_go_back(happen, happenings, data):
    names = data.draw(st.lists(st.sampled_from(sorted(happenings)), max_size=25))
    case = None
    for name in names:
        try:
            decision = happen(happenings[name], case)
        except Unanswerable:
            assert case is None
            continue
        if case is not None:
            assert_defined(case, decision)
        case = decision.state


def steps_of(decision: Decision[Case], before: CaseState) -> list[tuple[CaseState, CaseState]]:
    """Return the single transitions of a decision, by its views."""
    views = [event for event in decision.events if isinstance(event, CaseChanged)]
    shown = [before, *(CaseState(view.state) for view in views)]
    return [(old, new) for old, new in pairwise(shown) if old is not new]


def test_E1_the_drawing_has_every_single_step_that_a_customer_or_a_clock_takes(cases, happen, happenings):
    causes_of: dict[tuple[CaseState, CaseState], set[str]] = {}
    for state in (CaseState.WAITING_FOR_CSR, CaseState.RETURNED, CaseState.ACCEPTED):
        for happened in happenings.values():
            if isinstance(happened.data, ApplicationEvent):
                for step in steps_of(happen(happened, cases[state]), state):
                    causes_of.setdefault(step, set()).add(unversioned(happened.data.TYPE).removeprefix("servicecert."))
    for step, causes in causes_of.items():
        assert causes <= set(DRAWN[step]), step


def test_E1_every_step_of_the_drawing_is_one_that_may_follow():
    assert all(after in ALLOWED_TRANSITIONS[before] for before, after in DRAWN)
    assert {state for way in DRAWN for state in way} == set(CaseState)
