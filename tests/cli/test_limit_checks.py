"""From what was measured to a verdict: each limit, from both sides."""

from dataclasses import replace

import pytest
from servicecert_cli.operations.limit_checks import (
    Backlog,
    Connections,
    CrlPass,
    Group,
    Lag,
    TopicCopy,
    Verdict,
    check_connections,
    check_copies,
    check_crls,
    check_database_settings,
    check_intents,
    check_lag,
    check_outboxes,
    check_topic_settings,
    check_topics,
    check_workers,
)
from servicecert_schemas.topics import CATALOGUE

OK, NEAR, LIMIT = Verdict.OK, Verdict.NEAR, Verdict.LIMIT
TWO_TOPICS = {"certificates": 12, "cases": 12}


@pytest.mark.parametrize(
    ("members", "verdict", "words"),
    [
        ((), LIMIT, "No worker runs"),
        ((0, 0), NEAR, "being distributed"),
        ((24,), OK, "1 for 24 partitions; up to 12 help."),
        ((12, 11), LIMIT, "1 of 24 partitions are read by nobody"),
        ((24, 0), NEAR, "1 have no partition"),
        ((3, 3, *(2,) * 9), OK, "11 for 24"),
        ((2,) * 12, NEAR, "12 for 24"),
        ((2,) * 11 + (1, 1), NEAR, "13 for 24 partitions; up to 12 help."),
        ((1,) * 24 + (0,), NEAR, "1 have no partition"),
    ],
)
def test_workers_are_neither_none_nor_more_than_partitions(members, verdict, words):
    check = check_workers(Group("notifier", TWO_TOPICS, members))
    assert (check.subject, check.verdict) == ("notifier workers", verdict)
    assert words in check.finding
    assert bool(check.remedy) is (verdict is not OK)


def test_a_group_without_topics_is_at_its_limit():
    assert check_workers(Group("issuer", {}, (0,))).remedy == "Run `servicecert topics create`."


@pytest.mark.parametrize(
    ("before", "now", "seconds", "verdict", "words"),
    [
        (9, 0, 0.0, OK, "No message waits"),
        (5, 9, 9.9, OK, "9 messages wait, more and more; the oldest is 10 s old"),
        (5, 9, 10.0, NEAR, "more and more"),
        (9, 9, 59.9, NEAR, "no fewer"),
        (9, 9, 60.0, LIMIT, "no fewer"),
        (5, 9, 60.0, LIMIT, "more and more"),
        (9, 8, 3600.0, NEAR, "fewer and fewer"),
        (9, 9, None, LIMIT, "the oldest is of unknown age"),
        (9, 8, None, NEAR, "the oldest is of unknown age"),
    ],
)
def test_messages_that_are_old_and_do_not_become_fewer_are_a_limit(before, now, seconds, verdict, words):
    check = check_lag(Lag("intake", before, now, seconds))
    assert check.verdict is verdict
    assert words in check.finding
    assert bool(check.remedy) is (verdict is not OK)


AGES = [(9.9, OK), (10.0, NEAR), (59.9, NEAR), (60.0, LIMIT)]


@pytest.mark.parametrize(("seconds", "verdict"), AGES)
def test_the_age_of_intents_says_whether_side_effects_keep_up(seconds, verdict):
    check = check_intents(Backlog("issuer", 40, seconds, 0, 0.0))
    assert check.verdict is verdict
    assert f"40 are open; the oldest waits {seconds:.0f} s." == check.finding
    assert ("The key or the processor is the limit" in check.remedy) is (verdict is not OK)


def test_no_intent_and_no_unpublished_event_is_well():
    nothing = Backlog("issuer", 0, 0.0, 0, 0.0)
    assert check_intents(nothing).verdict is OK
    assert check_outboxes([nothing]).verdict is OK


@pytest.mark.parametrize(("seconds", "verdict"), AGES)
def test_the_oldest_unpublished_event_of_any_service_counts(seconds, verdict):
    check = check_outboxes([Backlog("intake", 0, 0.0, 1, 1.0), Backlog("issuer", 0, 0.0, 7, seconds)])
    assert check.verdict is verdict
    assert check.finding.startswith("issuer has 7 unpublished events")


@pytest.mark.parametrize(
    ("workers", "verdict", "words"),
    [
        # 97 usable, 5 others: 92 for workers.
        (7, OK, "61 of 97 needed: 8 for each of 7 workers, 5 for others; 45 in use. Room for 4 more workers."),
        (8, NEAR, "69 of 97 needed"),
        (11, NEAR, "93 of 97 needed"),
        (12, LIMIT, "101 of 97 needed"),
    ],
)
def test_each_worker_needs_eight_connections_beside_those_of_others(workers, verdict, words):
    check = check_connections(Connections(most=100, reserved=3, used=45, used_by_services=40), workers)
    assert check.verdict is verdict
    assert words in check.finding


@pytest.mark.parametrize(("used", "verdict"), [(65, OK), (66, NEAR), (96, NEAR), (97, LIMIT)])
def test_without_the_number_of_workers_the_connections_in_use_count(used, verdict):
    check = check_connections(Connections(100, 3, used, 0), None)
    assert (check.verdict, check.finding[:15]) == (verdict, f"{used} of 97 in use")


def test_no_connection_left_is_the_limit():
    assert check_connections(None, 1).verdict is LIMIT
    assert check_connections(Connections(100, 3, used=97, used_by_services=97), 4).verdict is LIMIT


def test_the_settings_of_the_database():
    assert check_database_settings(256).verdict is OK
    check = check_database_settings(255)
    assert (check.verdict, check.remedy) == (NEAR, "Set max_locks_per_transaction = 256, restart PostgreSQL.")


COPIES = [TopicCopy(topic, topic.partitions, 3, 3, {**topic.config, "min.insync.replicas": "2"}) for topic in CATALOGUE]


def with_first(**changes):
    return [replace(COPIES[0], **changes), *COPIES[1:]]


def test_topics_as_created_with_three_copies_are_well():
    assert [
        check.verdict for check in (check_topics(COPIES), check_copies(COPIES, 3), check_topic_settings(COPIES))
    ] == [OK] * 3


def test_a_missing_topic_is_a_limit_and_unequal_partitions_are_near():
    assert check_topics(COPIES[1:]).finding == "Missing: applications."
    assert check_topics([]).verdict is LIMIT
    unequal = check_topics(with_first(partitions=24))
    assert (unequal.verdict, unequal.finding) == (NEAR, "Topics have 12 partitions, but applications has 24.")
    grown = [replace(each, partitions=24) if each.partitions == 12 else each for each in COPIES]
    assert check_topics(grown).verdict is OK


@pytest.mark.parametrize(
    ("changes", "verdict", "finding"),
    [
        ({"in_sync": 1}, LIMIT, "applications cannot be written: too few copies are in sync; 2 brokers answer."),
        ({"in_sync": 2}, NEAR, "applications: a copy is not in sync; 2 brokers answer."),
        (
            {"replicas": 1, "in_sync": 1, "settings": {}},
            NEAR,
            "applications have one copy: with its broker, records are lost.",
        ),
        ({"settings": {}}, NEAR, "applications: a record counts as written when one broker has it."),
        (
            {"settings": {"min.insync.replicas": "3"}},
            NEAR,
            "applications: nothing can be written while one broker is down.",
        ),
        ({"replicas": 1, "in_sync": 0, "settings": {}}, LIMIT, "applications cannot be written"),
    ],
)
def test_copies_of_topics(changes, verdict, finding):
    check = check_copies(with_first(**changes), 2)
    assert check.verdict is verdict
    assert check.finding.startswith(finding)


def test_settings_that_differ_are_named_three_of_them():
    odd = with_first(settings={**COPIES[0].settings, "cleanup.policy": "compact"})
    assert check_topic_settings(odd).finding == "applications: cleanup.policy is compact, not delete."
    assert check_topic_settings([replace(each, settings={}) for each in COPIES]).finding.count(" is None, not ") == 3


@pytest.mark.parametrize(("seconds", "verdict"), [(14.9, OK), (15.0, NEAR), (30.0, NEAR), (30.1, LIMIT)])
def test_a_revocation_waits_for_two_passes_over_the_slowest_ca(seconds, verdict):
    check = check_crls([CrlPass("production-ec", 10, 0.1), CrlPass("production-rsa", 900_000, seconds)])
    assert check.verdict is verdict
    assert f"production-rsa, 900000 entries, took {seconds} s" in check.finding


def test_no_crl_is_no_limit():
    assert check_crls([]).verdict is OK
