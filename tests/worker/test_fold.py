r"""A turn's decisions, without broker and database: order, parking, ids, and independence of the batching \(I12\)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_schemas.certificate import IssuingRefused
from servicecert_schemas.values import Texts
from servicecert_worker.core.decider import (
    Deadline,
    Decision,
    Due,
    Event,
    Happened,
    Result,
    Stored,
    Transient,
    Unanswerable,
)
from servicecert_worker.core.fold import Folded, Item, Stuck, event_id, fold
from servicecert_worker.core.record import Arrival, ParkedRow, Poison, Record
from toy import service as toy
from toy.stand import ACTOR

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CASES = [UUID(int=n) for n in range(1, 5)]
RECORD = Record("applications", 0, 0, b"k", (), b"{}", NOW)


def arrival(case: UUID, text: str, *, seq: int | None = None) -> Arrival:
    event = Event(uuid4(), str(case), ApplicationWithdrawn(case_id=case, actor=ACTOR, reason=text), NOW)
    return Arrival(RECORD, event, None if seq is None else ParkedRow(seq, 1, NOW))


def folded(
    items: Sequence[Item], *, parked: dict[str, int] | None = None, **states: Stored[toy.Tally]
) -> Folded[toy.Tally]:
    stored = {entry.key: entry for entry in states.values()}
    return fold(toy.decide, items, stored, parked or {}, None, NOW)


def numbers(result: Folded[toy.Tally]) -> dict[str, tuple[str, ...]]:
    return {entry.key: entry.state.numbers for entry in result.changed}


def test_I5_what_happens_to_a_key_is_decided_in_order() -> None:
    one, other = CASES[:2]
    result = folded([arrival(one, "1"), arrival(other, "9"), arrival(one, "2")])
    assert numbers(result) == {str(one): ("1", "2"), str(other): ("9",)}
    codes = [event.data.code for event in result.published if isinstance(event.data, IssuingRefused)]
    assert codes == ["n1", "n9", "n2"]


@pytest.mark.parametrize("raising", ["raise-in-decide", None])
def test_I6_a_culprit_is_parked_and_its_key_waits(raising: str | None) -> None:
    one, other = CASES[:2]
    culprit = arrival(one, raising or "")
    if raising is None:
        culprit = Arrival(RECORD, Poison(uuid4(), str(one), "wrong-schema", "form: missing"))
    result = folded([arrival(one, "1"), culprit, arrival(other, "9"), arrival(one, "2")])
    assert numbers(result) == {str(one): ("1",), str(other): ("9",)}
    assert [(parked.culprit, parked.reason) for parked in result.parked] == [
        (True, "decide-raised" if raising else "wrong-schema"),
        (False, "behind"),
    ]


def test_I5_later_events_of_a_parked_key_wait_and_an_earlier_place_does_not() -> None:
    key = str(CASES[0])
    result = folded([arrival(CASES[0], "2"), arrival(CASES[0], "3", seq=7)], parked={key: 5})
    assert [parked.reason for parked in result.parked] == ["behind", "behind"]
    result = folded([arrival(CASES[0], "1", seq=4)], parked={key: 5})
    assert numbers(result) == {key: ("1",)}


def test_I1_what_nobody_can_be_answered_about_is_parked_with_its_own_reason() -> None:
    def decide(state: None, happened: Happened, known: None, now: datetime) -> Decision[None]:
        raise Unanswerable("no-such-case", "No application of this case was ever submitted.")

    result = fold(decide, [arrival(CASES[0], "1")], {}, {}, None, NOW)
    assert [(parked.culprit, parked.reason) for parked in result.parked] == [(True, "no-such-case")]


def test_what_is_transient_is_no_culprit() -> None:
    def decide(state: None, happened: Happened, known: None, now: datetime) -> Decision[None]:
        raise Transient("not now")

    with pytest.raises(Transient):
        fold(decide, [arrival(CASES[0], "1")], {}, {}, None, NOW)


def test_a_result_that_cannot_be_decided_stays_open() -> None:
    result = Result(uuid4(), str(CASES[0]), "act", toy.Act(case_id=str(CASES[0]), number="1"))
    with pytest.raises(Stuck) as caught:
        folded([result])
    assert caught.value.item is result


def test_an_event_that_no_reader_would_take_parks_its_cause() -> None:
    long = Texts(sv="å" * 4_000, fi="å" * 4_000, en="å" * 4_000)

    def decide(state: None, happened: Happened, known: None, now: datetime) -> Decision[None]:
        refused = IssuingRefused.model_construct(case_id=CASES[0], code="c", texts=[long] * 20)
        return Decision(None, events=(refused,))

    with pytest.warns(UserWarning, match="serializer"):
        result = fold(decide, [arrival(CASES[0], "1")], {}, {}, None, NOW)
    assert [parked.reason for parked in result.parked] == ["decide-raised"]
    assert result.published == []


def test_I2_a_repetition_repeats_the_ids() -> None:
    items = [arrival(CASES[0], "1")]
    one, again = folded(items), folded(items)
    assert [event.id for event in one.published] == [event.id for event in again.published]
    assert [intent.id for intent in one.intended] == [intent.id for intent in again.intended]
    assert [deadline.id for deadline in one.deadlines.values()] == [
        deadline.id for deadline in again.deadlines.values()
    ]


def test_I2_the_next_version_of_a_type_has_the_ids_of_the_one_before() -> None:
    cause = UUID(int=7)
    for id in (event_id(cause, f"servicecert.test.told.v{version}", 1) for version in (1, 2, 3)):
        assert id == uuid5(cause, "servicecert.test.told.v1/1"), "as it was when there was one version"


def test_the_last_decision_on_a_deadline_counts() -> None:
    def decide(state: None, happened: Happened, known: None, now: datetime) -> Decision[None]:
        assert isinstance(happened, Due)
        return Decision(None, deadlines=(Deadline("wake", None if happened.kind == "cancel" else NOW),))

    dues = [Due(uuid4(), "k", kind, NOW) for kind in ("arm", "cancel")]
    result = fold(decide, dues, {}, {}, None, NOW)
    assert [deadline.at for deadline in result.deadlines.values()] == [None]


def test_the_same_state_object_is_not_saved() -> None:
    state = toy.Tally(str(CASES[0]), ("1",))
    stored = Stored(str(CASES[0]), 3, state)
    assert folded([arrival(CASES[0], "ignore")], it=stored).changed == []
    (changed,) = folded([arrival(CASES[0], "2")], it=stored).changed
    assert (changed.version, changed.state.numbers) == (3, ("1", "2"))


@given(st.data())
def test_I12_any_cutting_into_turns_has_the_same_outcome(data: st.DataObject) -> None:
    """Wherever the events are cut into turns, states, events and parked records are the same."""
    texts = st.sampled_from(["1", "2", "ignore", "raise-in-decide"])
    items = [
        arrival(case, text) for case, text in data.draw(st.lists(st.tuples(st.sampled_from(CASES), texts), max_size=25))
    ]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(items)))))
    whole = _taken([items])
    assert _taken([items[a:b] for a, b in zip([0, *cuts], [*cuts, len(items)], strict=True)]) == whole


def _taken(turns: Sequence[Sequence[Item]]) -> tuple[object, ...]:
    """Return states, events and parked records after turns that are stored as the worker stores them."""
    stored: dict[str, Stored[toy.Tally]] = {}
    parked: dict[str, int] = {}
    published, all_parked = [], []
    for number, turn in enumerate(turns):
        result = fold(toy.decide, turn, stored, dict(parked), None, NOW + timedelta(0))
        for entry in result.changed:
            stored[entry.key] = replace(entry, version=entry.version + 1)
        for each in result.parked:
            parked.setdefault(each.arrival.key, number)
            all_parked.append((each.arrival.id, each.culprit))
        published += [event.id for event in result.published]
    return ({key: entry.state for key, entry in stored.items()}, published, all_parked)
