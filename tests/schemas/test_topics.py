import pytest
from servicecert_schemas.operators import RecordParked
from servicecert_schemas.topics import (
    ACCOUNTS,
    APPLICATIONS,
    CASES,
    CATALOGUE,
    MAX_EVENT_BYTES,
    REGISTERS,
    SERVICES,
    TOPIC_OF,
    Topic,
    journal_topic,
)


def test_every_event_type_goes_to_one_topic_and_what_is_parked_to_its_service_s() -> None:
    flowing = [event.TYPE for topic in CATALOGUE for event in topic.events if event is not RecordParked]
    assert sorted(flowing) == sorted(TOPIC_OF)
    assert len(set(flowing)) == len(flowing)
    assert [topic.name for topic in CATALOGUE if topic.events == (RecordParked,)] == [
        f"{service}.parked" for service in SERVICES
    ]


def test_every_topic_has_a_name_of_its_own_a_writer_and_a_reader() -> None:
    assert len({topic.name for topic in CATALOGUE}) == len(CATALOGUE)
    assert all(topic.writers and topic.readers and topic.partitions >= 1 for topic in CATALOGUE)
    journals = [journal_topic(service) for service in SERVICES]
    assert [topic for topic in CATALOGUE if not topic.events] == journals, "what they have is no other service's"


def test_E1_one_writer_per_state_cases_are_written_by_intake_and_erased_by_one_command() -> None:
    assert CASES.writers == ("intake", "eraser")


def test_E3_compaction_takes_away_what_is_erased_in_a_week_and_readers_who_were_away_still_hear_of_it() -> None:
    week, quarter = 7 * 86_400_000, 90 * 86_400_000
    for topic in CATALOGUE:
        kept = [topic.config.get(name) for name in ("max.compaction.lag.ms", "delete.retention.ms")]
        assert kept == ([str(week), str(quarter)] if topic.compacted else [None, None])


@pytest.mark.parametrize(
    ("topic", "policy", "retention"),
    [
        (APPLICATIONS, "delete", str(90 * 24 * 3600 * 1000)),
        (CASES, "compact", "-1"),
        (REGISTERS, "compact", "-1"),
        (ACCOUNTS, "delete", "-1"),
    ],
    ids=lambda part: getattr(part, "name", part),
)
def test_the_settings_of_a_topic_say_how_long_its_records_stay(topic: Topic, policy: str, retention: str) -> None:
    assert (topic.config["cleanup.policy"], topic.config["retention.ms"]) == (policy, retention)


def test_a_broker_compresses_what_only_our_services_read() -> None:
    assert {topic.name for topic in CATALOGUE if "compression.type" in topic.config} == {
        f"{it}.journal" for it in SERVICES
    }


def test_a_broker_takes_every_event_that_a_service_reads() -> None:
    assert all(int(topic.config["max.message.bytes"]) > 2 * MAX_EVENT_BYTES for topic in CATALOGUE)
