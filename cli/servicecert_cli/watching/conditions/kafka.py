"""Brokers and topics."""

from functools import partial

from .condition import CRITICAL, WARNING, Condition, Subject, unless_outage

_kafka = partial(Condition, Subject.KAFKA, needs="Kafka")
_topics = partial(Condition, Subject.TOPICS, needs="Kafka")

CONDITIONS = (
    _kafka(
        "KafkaDown",
        "Kafka does not answer: nothing is handled, and nothing is lost.",
        CRITICAL,
        when="servicecert:kafka_away:max == 1",
        wait="1m",
        within="2m30s",
        why="Without Kafka nothing comes in, and nothing that is decided is published.",
        remedy="Start Kafka, or correct the KAFKA_ settings.",
    ),
    _kafka(
        "BrokerVersion",
        "A broker is not Apache Kafka 4, or the brokers' releases differ.",
        why="Only Kafka 4 is tested; brokers of different releases are an upgrade that is not finished.",
    ),
    _kafka(
        "Brokers",
        "A broker that holds our topics is down, or nobody leads a partition.",
        why="A partition whose brokers are down can be neither read nor written.",
    ),
    _kafka(
        "BrokerClock",
        "The clock of Kafka's controller differs from this machine's.",
        why="Brokers delete records by time, and people compare their logs with ours.",
        needs="Kafka, as a user that may describe the cluster",
    ),
    _kafka(
        "BrokerRights",
        "A user of the broker has not exactly the rights of the catalogue.",
        why="Who may write to a topic can forge orders; a service that lacks a right does not start.",
        needs="Kafka; all users' rights as its administrator",
    ),
    _topics(
        "Topics",
        "A topic of the catalogue does not exist.",
        CRITICAL,
        why="A service whose topic is missing does not start, or cannot publish.",
        remedy="Run `servicecert topics create`.",
    ),
    _topics(
        "Partitions",
        "Topics that workers share differ in their partitions, or a followed one got more.",
        WARNING,
        why="The one with the fewest decides how many workers help; of a followed one an older record could win over a "
        "newer.",
    ),
    _topics(
        "TopicSettings",
        "A topic has other settings than the catalogue's.",
        why="A wrong retention or compaction loses records, or keeps what is to be erased.",
    ),
    _topics(
        "CopiesMissing",
        "{value} partitions lack a copy: a broker is down or behind.",
        WARNING,
        when="max(servicecert_partitions_out_of_sync) > 0",
        expr=unless_outage("$when"),
        wait="5m",
        within="7m",
        why="With one more broker away records cannot be written, or are lost.",
        remedy="Start the broker that is down, or wait until it has caught up.",
    ),
    _topics(
        "Replication",
        "A topic has one copy only, or too few copies in sync to be written.",
        why="Records of a topic with one copy are lost with its broker.",
    ),
    _topics(
        "MinInSync",
        "A record counts as written when one broker has it, or only when all have it.",
        WARNING,
        why="A record that one broker has is lost with it; a topic that needs all brokers stops with the first.",
    ),
)
