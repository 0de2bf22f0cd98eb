"""From facts to a finding: each limit of the servers, topics and groups, from both sides."""

from dataclasses import replace
from typing import NamedTuple

import pytest
from aiokafka import TopicPartition
from cli.watching.doctor.judging import CRITICAL, OK, SKIPPED, WARNING, holds, judged
from servicecert_cli.admin.lag import Group, PartitionLag
from servicecert_cli.watching.doctor.domain.kafka import BrokerRights, compared
from servicecert_cli.watching.doctor.domain.topics import TopicCopy
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import (
    ACCEPTED_APPLICATIONS,
    ACCOUNTS,
    APPLICATIONS,
    CASES,
    CATALOGUE,
    CERTIFICATE_STATUS,
    CERTIFICATES,
    DEADLINES,
    REGISTERS,
)
from servicecert_worker.core.broker_acls import Acl, AclOperation, AclResource, acls


@pytest.mark.parametrize("check", ["KafkaDown", "DatabaseDown"])
@pytest.mark.parametrize(
    ("reached", "severity", "words"),
    [
        (("here", 0.99), OK, "It answers at here after 990 ms."),
        (("here", 1.0), WARNING, "1000 ms"),
    ],
)
def test_a_server_answers_soon(check, reached, severity, words):
    holds(judged(check, (None, reached)), severity, words)


def test_brokers_that_hold_topics_are_up():
    holds(judged("Brokers", ({1, 2, 3}, {1, 2}, [])), OK, "None is missing; those that are up: 3.")
    holds(judged("Brokers", ({1}, {1, 2, 3}, [])), WARNING, "Down: broker 2, 3.")
    holds(judged("Brokers", ({1}, {1, 2}, ["cases/1"])), CRITICAL, "No broker leads cases/1.")


def test_rights_are_neither_missing_nor_surplus():
    holds(judged("BrokerRights", BrokerRights("All users")), OK, "All users: the rights are as")
    holds(judged("BrokerRights", BrokerRights("operator", surplus=("Write on cases",))), WARNING, "Write on cases")
    found = BrokerRights("operator", ("Write on cases",), ("Read on cases",))
    holds(judged("BrokerRights", found), CRITICAL, "missing Read on cases")


TOPIC, GROUP = AclResource


def allowed(user, resource, name, operation, *, prefixed=False):
    return f"User:{user}", Acl(resource, name, AclOperation(operation), prefixed)


def given(user="User:{}"):
    return [(user.format(principal), acl) for principal, each in acls(prefix="p.").items() for acl in each]


TOPICS = ["p." + topic.name for topic in CATALOGUE]


@pytest.mark.parametrize("user", ["User:{}", "User:CN={}", "User:CN={},O=We", "User:p-{}", "User:p.{}"])
def test_the_catalogue_s_rights_are_as_wanted_by_either_login(user):
    assert compared(given(user), "p.", TOPICS) == BrokerRights("All users")


@pytest.mark.parametrize(
    ("extra", "surplus"),
    [
        (allowed("issuer", TOPIC, "p.applications", "Read"), "User:issuer Read on p.applications"),
        (allowed("mallory", TOPIC, "*", "All"), "User:mallory All on *"),
        (allowed("mallory", TOPIC, "p.", "Write", prefixed=True), "User:mallory Write on p."),
        (allowed("mallory", GROUP, "p.intake", "Read"), "User:mallory Read on p.intake"),
        (allowed("issuer", TOPIC, "p.certificates", "Describe"), None),
        (allowed("mallory", TOPIC, "other", "All"), None),
        (allowed("mallory", TOPIC, "other", "All", prefixed=True), None),
    ],
)
def test_a_right_beyond_the_catalogue_on_our_topics_is_surplus(extra, surplus):
    found = compared([*given(), extra], "p.", TOPICS)
    assert found == BrokerRights("All users", () if surplus is None else (surplus,))


def test_a_right_that_nobody_gave_is_missing():
    without = [(user, acl) for user, acl in given() if (user, acl.name) != ("User:issuer", "p.certificates")]
    needed = ("issuer Read on p.certificates", "issuer Write on p.certificates")
    assert compared(without, "p.", TOPICS).missing == needed
    wide = [allowed(each, kind, "*", "All") for each in Principal for kind in AclResource]
    assert compared(wide, "p.", TOPICS).missing == ()
    wide = [allowed(each, kind, "p.", "Read", prefixed=True) for each in Principal for kind in AclResource]
    missing = compared(wide, "p.", TOPICS).missing
    assert "operator Describe on p.cases" not in missing
    assert "issuer Write on p.certificates" in missing
    named = [allowed("e-service", GROUP, "p.e-service", "Read")]
    assert "e-service Read on p.e-service" in compared(named, "p.", TOPICS).missing


COPIES = [TopicCopy(topic, topic.partitions, 3, 3, {**topic.config, "min.insync.replicas": "2"}) for topic in CATALOGUE]


def with_first(**changes):
    return [replace(COPIES[0], **changes), *COPIES[1:]]


def test_topics_as_created_with_three_copies_are_well():
    for check in ("Topics", "Partitions", "TopicSettings", "Replication", "MinInSync"):
        holds(judged(check, COPIES), OK)


def test_topics_exist_and_have_as_many_partitions():
    holds(judged("Topics", COPIES[1:]), CRITICAL, "Missing: applications.")
    holds(judged("Topics", []), CRITICAL, f"and {len(COPIES) - 3} more.")
    holds(judged("Partitions", with_first(partitions=24)), WARNING, "12 partitions, but applications has 24.")
    assert "`servicecert topics grow 24`" in judged("Partitions", with_first(partitions=24)).remedy
    grown = [replace(each, partitions=24) if each.topic.can_grow else each for each in COPIES]
    holds(judged("Partitions", grown), OK, "Each topic has 24.")
    assert judged("Partitions", []).severity is SKIPPED


def test_partitions_of_a_followed_topic_were_added_by_hand():
    by_hand = [replace(each, partitions=24) if each.topic == REGISTERS else each for each in COPIES]
    holds(judged("Partitions", by_hand), WARNING, "by hand: registers has 24 and not 12.")


def test_settings_that_differ_are_named_three_of_them():
    odd = with_first(settings={**COPIES[0].settings, "segment.bytes": "1000000"})
    holds(judged("TopicSettings", odd), WARNING, "applications: segment.bytes is 1000000, not 268435456.")
    empty = [replace(each, settings={}) for each in COPIES]
    assert judged("TopicSettings", empty).finding.count(" is None, not ") == 3


@pytest.mark.parametrize(
    ("topic", "name", "value", "severity"),
    [
        (APPLICATIONS, "retention.ms", "7776000001", CRITICAL),
        (APPLICATIONS, "retention.ms", "-1", CRITICAL),
        (APPLICATIONS, "retention.ms", "1000", WARNING),
        (APPLICATIONS, "cleanup.policy", "compact", CRITICAL),
        (APPLICATIONS, "segment.ms", "86400000000", CRITICAL),
        (APPLICATIONS, "message.timestamp.after.max.ms", "9223372036854775807", CRITICAL),
        (CASES, "max.compaction.lag.ms", "9223372036854775807", CRITICAL),
        (CASES, "max.compaction.lag.ms", "1000", WARNING),
        (CASES, "cleanup.policy", "delete", CRITICAL),
        (CASES, "retention.ms", "1000", WARNING),
        (ACCOUNTS, "segment.ms", "86400000000", WARNING),
        (DEADLINES, "retention.ms", "-1", WARNING),
    ],
    ids=str,
)
def test_E3_a_setting_that_keeps_personal_data_for_longer_is_critical(topic, name, value, severity):
    settings = {**topic.config, name: value}
    check = judged("TopicSettings", [TopicCopy(topic, 12, 3, 3, settings)])
    holds(check, severity, f"{topic.name}: {name} is {value}, not {topic.config[name]}.")
    assert check.finding.startswith("Personal data is kept longer") == (severity is CRITICAL)


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"in_sync": 1}, CRITICAL, "applications: no record can be written"),
        ({"replicas": 1, "in_sync": 1, "settings": {}}, WARNING, "applications: one copy only"),
        ({"replicas": 1, "in_sync": 0, "settings": {}}, CRITICAL, "no record can be written"),
    ],
)
def test_copies_of_topics(changes, severity, words):
    holds(judged("Replication", with_first(**changes)), severity, words)


def test_a_record_is_on_several_brokers_and_not_needed_on_all():
    holds(judged("MinInSync", with_first(settings={})), WARNING, "applications: a record counts as written when one")
    strict = [replace(each, settings={"min.insync.replicas": "3"}) for each in COPIES]
    holds(judged("MinInSync", strict), WARNING, "All topics: nothing can be written while one broker is down.")
    assert judged("MinInSync", [replace(each, replicas=1) for each in COPIES]).severity is SKIPPED


ALL = [TopicPartition(topic, number) for topic in ("cases", "certificates") for number in range(3)]
FIRST, *REST = ALL


def group(*members, service="notifier", partitions=ALL, client=None):
    """A group whose members read these partitions."""
    read = {part for each in members for part in each}
    lags = [
        PartitionLag(service, part.topic, part.partition, 0, 0.0, 0, 0, "a worker" if part in read else None)
        for part in partitions
    ]
    clients = [Reading(client or f"{service}-host-1-ab", frozenset(each)) for each in members]
    return Group(service, clients, lags, {})


class Reading(NamedTuple):
    client_id: str
    partitions: frozenset[TopicPartition]


def test_each_service_has_workers_that_read_all_partitions():
    well = [group([FIRST], REST), group(ALL, service="p.issuer")]
    for check in ("PartitionsUnread", "IdleWorkers", "GroupClients"):
        holds(judged(check, well), OK)


def test_a_service_without_workers_is_not_said_by_these():
    none = [group(), group(ALL, service="issuer")]
    holds(judged("PartitionsUnread", none), OK)
    assert judged("PartitionsUnread", [group()]).severity is SKIPPED


def test_partitions_that_nobody_reads():
    holds(judged("PartitionsUnread", [group(REST)]), CRITICAL, "notifier: nobody reads cases/0.")
    holds(
        judged("PartitionsUnread", [group((), ())]),
        WARNING,
        "notifier: no worker has a partition, they are being distributed.",
    )


@pytest.mark.parametrize(("workers", "severity"), [(3, OK), (4, WARNING)])
def test_no_more_workers_than_partitions_of_a_topic(workers, severity):
    found = judged("IdleWorkers", [group(*[()] * workers), group(partitions=[])])
    holds(found, severity, "4 workers, of which 3 help" if severity is WARNING else "")


def test_a_member_that_is_no_worker_of_ours():
    strangers = [group((), service="p.intake", client=each) for each in ("console", "p.intake-h-1-ab", "p.issuer-h-1")]
    words = "Not ours: console in p.intake, p.issuer-h-1 in p.intake."
    holds(judged("GroupClients", strangers), CRITICAL, words)


def test_workers_have_the_command_s_version():
    same, other = ("intake on a", "1.0"), ("issuer on b", "0.9")
    holds(judged("VersionsDiffer", ("1.0", [same])), OK, "All workers have 1.0.")
    holds(judged("VersionsDiffer", ("1.0", [same, other])), WARNING, "has 1.0, but issuer on b has 0.9.")
    assert judged("VersionsDiffer", ("1.0", [])).severity is SKIPPED


def test_records_before_the_first_kept_one_are_lost():
    holds(judged("RecordsLost", []), OK)
    words = "5 records were deleted unread: notifier cases/0, issuer cases/1."
    holds(judged("RecordsLost", [("notifier cases/0", CASES, 3), ("issuer cases/1", CASES, 2)]), CRITICAL, words)


@pytest.mark.parametrize(
    ("topic", "remedy"),
    [
        (ACCEPTED_APPLICATIONS, "Run `servicecert republish intake --yes`."),
        (CERTIFICATES, "Run `servicecert republish issuer --yes`."),
        (CERTIFICATE_STATUS, "Run `servicecert republish revoker --yes`."),
        (REGISTERS, "Load the registers again."),
        (APPLICATIONS, "Have the e-service send its applications again."),
    ],
    ids=str,
)
def test_F7_the_remedy_for_lost_records_is_their_writers(topic, remedy):
    assert judged("RecordsLost", [("notifier cases/0", topic, 3)]).remedy == remedy


def test_what_cannot_be_read_is_named_with_its_offset():
    holds(judged("PartitionStalled", []), OK)
    holds(judged("PartitionStalled", ["notifier cases/0 at offset 3"]), CRITICAL, "notifier cases/0 at offset 3")
