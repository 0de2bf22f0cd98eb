"""What of its topics a restored database does not know. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from servicecert_worker.core.unknown import (
    Seen,
    Unknown,
    by_topic,
    newest,
    unknown_inputs,
    unknown_outputs,
    verdict,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
A, B, C, D = (UUID(int=number) for number in range(1, 5))


def seen(offset: int, *ids: UUID, topic: str = "cases", partition: int = 0) -> Seen:
    return Seen(topic, partition, offset, frozenset(ids), NOON + timedelta(seconds=offset))


def test_an_own_event_is_known_if_it_waits_in_the_outbox_or_is_a_second_copy() -> None:
    own = [seen(5, A), seen(6, B), seen(7, C)]
    assert unknown_outputs(own, {A}, {C}) == [seen(6, B)]
    assert unknown_outputs(own, {A, B, C}, ()) == []


def test_the_newest_of_each_partition_is_found_in_any_order() -> None:
    events = [seen(3, A), seen(9, B), seen(4, C, partition=1), seen(2, D, topic="certificates")]
    assert newest(reversed(events)) == [seen(2, D, topic="certificates"), seen(9, B), seen(4, C, partition=1)]


def test_what_was_handled_after_the_last_known_event_is_unknown() -> None:
    handled = [seen(1, A), seen(2, B), seen(3, C), seen(4, D)]
    assert unknown_inputs(handled, {B}) == [seen(3, C), seen(4, D)]
    assert unknown_inputs(handled, {D}) == []
    assert unknown_inputs(handled, ()) == handled
    assert unknown_inputs([], {A}) == []


def test_one_of_the_ids_that_a_record_may_be_known_by_is_enough() -> None:
    assert unknown_inputs([seen(1, A, B)], {B}) == []
    assert unknown_outputs([seen(1, A)], {B}, {A}) == []


def test_each_partition_stands_alone() -> None:
    handled = [seen(1, A), seen(1, B, partition=1), seen(1, C, topic="certificates")]
    assert unknown_inputs(handled, {A}) == handled[1:]


def test_the_sentence_says_how_many_of_which_topic_and_since_when() -> None:
    outputs = by_topic([seen(7, A), seen(5, B), seen(60, C, topic="certificates")], own=True)
    assert outputs == [
        Unknown("cases", 2, NOON + timedelta(seconds=5), own=True),
        Unknown("certificates", 1, NOON + timedelta(seconds=60), own=True),
    ]
    sentence = verdict("intake", [*outputs, *by_topic([seen(9, D, topic="applications")], own=False)])
    assert sentence is not None
    assert sentence.startswith(
        "The database of intake does not know records of its topics since 2026-03-02 12:00:05 UTC (2 written to cases, "
        "1 written to certificates, at least 1 handled of applications): it was restored to an earlier moment, or "
    )
    assert sentence.endswith("run `servicecert restore check`.")
    assert verdict("intake", []) is None
