"""I1, I8, I12: generated sequences of events against a small model of the rules, and the same in any batches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from servicecert_intake.domain.decide import decide
from servicecert_schemas.application import ApplicationEvent
from servicecert_schemas.case import CaseChanged, CaseState, EventRefused
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.core.decider import Due, Stored
from servicecert_worker.core.fold import fold
from servicecert_worker.core.record import Arrival, Record

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
PLACE = Record("applications", 0, 0, None, (), None, NOW)
PENDING = {CaseState.WAITING_FOR_CSR, CaseState.RETURNED}
CLOSED = {CaseState.LAPSED, CaseState.WITHDRAWN, CaseState.REFUSED}
REPORTED = {CaseState.ISSUED, CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED, CaseState.REVOKED}
ALLOWED = (
    "submitted",
    "submitted without request",
    "submitted wrongly",
    "supplemented",
    "supplemented with request",
    "supplemented wrongly",
    "request attached",
    "request attached by contact",
    "withdrawn",
)
ANSWERED_ONLY = (
    "submitted weakly",
    "supplemented by another",
    "supplemented by contact",
    "request attached by another",
    "request attached by operator",
    "withdrawn weakly",
    "withdrawn by contact",
)


class Intake:
    """Intake in memory: the worker's fold, and armed deadlines."""

    def __init__(self, profiles, known) -> None:
        self.decide = partial(decide, profiles)
        self.known = known
        self.stored: dict[str, Stored[Any]] = {}
        self.published: list[Any] = []
        self.deadlines: dict[str, tuple[UUID, datetime]] = {}
        self.now = NOW

    def take(self, *items):
        """Run one turn. Return what it published."""
        folded = fold(self.decide, items, self.stored, {}, self.known, self.now)
        for changed in folded.changed:
            self.stored[changed.key] = Stored(changed.key, changed.version + 1, changed.state)
        for deadline in folded.deadlines.values():
            self.deadlines.pop(deadline.kind, None)
            if deadline.at is not None:
                self.deadlines[deadline.kind] = (deadline.id, deadline.at)
        self.published += folded.published
        return [each.data for each in folded.published]

    def wait(self, time):
        """Advance the time, and handle every passed deadline in order."""
        self.now += time
        while due := [(at, kind, id) for kind, (id, at) in self.deadlines.items() if at <= self.now]:
            at, kind, id = min(due)
            del self.deadlines[kind]
            self.take(Due(id, "0d9bb3a2-5d0a-4c5e-8a43-4b7d6c1c9f10", kind, at))

    @property
    def case(self):
        return next(iter(self.stored.values())).state if self.stored else None


def arrival(event):
    return Arrival(PLACE, event)


@given(data=st.data())
@settings(max_examples=60)
def test_I12_any_batches_have_the_same_outcome(profiles, known, happenings, data):
    names = data.draw(st.lists(st.sampled_from(sorted(happenings)), max_size=15))
    # Reports of no case are parked, which is the worker's matter.
    events = [happenings["submitted without request"]]
    events += [replace(happenings[name], id=uuid5(UUID(int=9), str(n))) for n, name in enumerate(names)]
    one_by_one = Intake(profiles, known)
    for event in events:
        one_by_one.take(arrival(event))
    batches = Intake(profiles, known)
    left = [*events]
    while left:
        size = data.draw(st.integers(1, len(left)))
        batch, left = left[:size], left[size:]
        batches.take(*map(arrival, batch))
    assert batches.case == one_by_one.case
    told = {each.id: each.data for each in one_by_one.published}
    published = [(each.id, each.data) for each in batches.published]
    assert published == [each for each in told.items() if each in published]
    assert last_view(batches) == last_view(one_by_one)
    assert all(view.history[-1].state is view.state for view in views(one_by_one))
    left_out = [told[id] for id in told.keys() - {id for id, _ in published}]
    assert all(isinstance(each, CaseChanged) and each.state is CaseState.ISSUED for each in left_out)


def views(intake):
    return [each.data for each in intake.published if isinstance(each.data, CaseChanged)]


def last_view(intake):
    return views(intake)[-1:]


def test_E1_a_view_that_mails_alone_change_replaces_the_one_before_in_the_same_turn(profiles, known, happenings):
    intake = Intake(profiles, known)
    intake.take(arrival(happenings["submitted"]))
    before = last_view(intake)[0].version
    (view,) = intake.take(*(arrival(happenings[each]) for each in ("issued", "orderer has it", "contact has it")))
    assert (view.state, view.version) == (CaseState.DELIVERED, before + 3)
    assert CaseState.ISSUED in [each.state for each in view.history]


class AnySequence(RuleBasedStateMachine):
    """The model: whether the form is valid, whether there is a valid request, and the resulting state."""

    profiles: Any
    known: Any
    happenings: Any

    def __init__(self) -> None:
        super().__init__()
        self.intake = Intake(self.profiles, self.known)
        self.state: CaseState | None = None
        self.right = self.has_request = self.asked = False
        self.opened_at = NOW
        self.mailed: set[str] = set()
        self.count = 0

    def send(self, name, **changes):
        self.count += 1
        happened = self.happenings[name]
        times = {each: self.intake.now for each in ("at", "requested_at", "revoked_at") if hasattr(happened.data, each)}
        data = happened.data.model_copy(update={**times, **changes})
        happened = replace(happened, id=uuid5(UUID(int=7), str(self.count)), time=self.intake.now, data=data)
        events = self.intake.take(arrival(happened))
        if isinstance(happened.data, ApplicationEvent):
            assert events, f"{name} has no answer"
        return events

    @rule(name=st.sampled_from(ALLOWED))
    def customer(self, name):
        self.send(name)
        if self.state is None:
            if name.startswith("submitted"):
                self.opened_at = self.intake.now
                self.right, self.has_request = "wrongly" not in name, "without" not in name
                self.state = self.judged()
        elif self.state in PENDING and not name.startswith("submitted"):
            self.pending(name)
        elif self.state is CaseState.ACCEPTED and name == "withdrawn":
            self.asked = True

    def pending(self, name):
        if self.intake.now - self.opened_at > timedelta(days=182):
            self.state = CaseState.LAPSED
        elif name == "withdrawn":
            self.state = CaseState.WITHDRAWN
        else:
            self.right = "wrongly" not in name if name.startswith("supplemented") else self.right
            self.has_request = self.has_request or "request" in name
            self.state = self.judged()

    def judged(self):
        if not self.right:
            return CaseState.RETURNED
        return CaseState.ACCEPTED if self.has_request else CaseState.WAITING_FOR_CSR

    @rule(name=st.sampled_from(ANSWERED_ONLY))
    def customer_who_may_not(self, name):
        if self.state is None and name == "submitted weakly":
            self.state = CaseState.REFUSED
        self.send(name)

    @precondition(lambda self: self.state is CaseState.ACCEPTED)
    @rule()
    def issued(self):
        events = self.send("issued")
        self.state = CaseState.ISSUED
        assert (events[0].answer is not None and events[0].answer.code == "too-late-issued") or not self.asked

    @precondition(lambda self: self.state is CaseState.ACCEPTED and self.asked)
    @rule()
    def let_go(self):
        self.send("not issued", code="withdrawn")
        self.state = CaseState.WITHDRAWN

    @precondition(lambda self: self.state in REPORTED)
    @rule(name=st.sampled_from(["to be revoked", "revoked"]))
    def revocation(self, name):
        self.send(name)
        is_revoked = name == "revoked" or self.state is CaseState.REVOKED
        self.state = CaseState.REVOKED if is_revoked else CaseState.REVOCATION_REQUESTED

    @precondition(lambda self: self.state in REPORTED)
    @rule(to=st.sampled_from(["orderer", "contact"]))
    def mail(self, to):
        """Mails arrive before and after a revocation."""
        self.send(f"{to} has it")
        self.mailed.add(to)
        if self.state is CaseState.ISSUED and len(self.mailed) == 2:
            self.state = CaseState.DELIVERED

    @precondition(lambda self: self.state in REPORTED)
    @rule()
    def contradiction(self):
        """What exists is shown."""
        self.send("not issued")

    @rule(days=st.sampled_from([1, 50, 100]))
    def time_passes(self, days):
        self.intake.wait(timedelta(days=days))
        if self.state in PENDING and self.intake.now - self.opened_at > timedelta(days=182):
            self.state = CaseState.LAPSED

    @invariant()
    def the_state_is_the_models(self):
        assert (self.intake.case and self.intake.case.state) is self.state

    @invariant()
    def versions_grow_by_one_and_what_is_closed_stays_closed(self):
        shown = views(self.intake)
        assert [view.version for view in shown] == list(range(1, len(shown) + 1))
        for before, after in pairwise(shown):
            assert before.state not in CLOSED or after.state in {before.state, *REPORTED}

    @invariant()
    def a_history_ends_with_its_state_and_does_not_go_back(self):
        for view in views(self.intake):
            assert view.history[-1].state is view.state
            assert [entry.at for entry in view.history] == sorted(entry.at for entry in view.history)

    @invariant()
    def at_most_one_is_accepted(self):
        assert sum(isinstance(each.data, ApplicationAccepted) for each in self.intake.published) <= 1

    @invariant()
    def outsiders_are_answered_beside_the_case(self):
        refused = [each.data for each in self.intake.published if isinstance(each.data, EventRefused)]
        assert all(each.account_id == "account-2" or each.code == "no-such-case" for each in refused)


@pytest.mark.parametrize("steps", [25])
def test_I1_I8_any_sequence_keeps_to_the_model(profiles, known, happenings, steps):
    machine = type("Bound", (AnySequence,), {"profiles": profiles, "known": known, "happenings": happenings})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=steps, deadline=None))
