"""The brokers."""

from .condition import Subject, conditions

critical, _, look = conditions(Subject.KAFKA)

CONDITIONS = (
    critical(
        "KafkaDown",
        "Kafka does not answer: nothing is handled, and nothing is lost.",
        when="servicecert:kafka_away:max == 1",
        wait="1m",
        within="2m30s",
        why="Without Kafka nothing comes in, and nothing that is decided is published.",
        remedy="Start Kafka, or correct the KAFKA_ settings.",
    ),
    look(
        "BrokerVersion",
        "A broker is not Apache Kafka 4, or the brokers' releases differ.",
        why="Only Kafka 4 is tested; brokers of different releases are an upgrade that is not finished.",
    ),
    look(
        "Brokers",
        "A broker that holds our topics is down, or nobody leads a partition.",
        why="A partition whose brokers are down can be neither read nor written.",
    ),
    look(
        "BrokerClock",
        "The clock of Kafka's controller differs from this machine's.",
        why="Brokers delete records by time, and people compare their logs with ours.",
        remedy="Synchronise both machines' clocks (NTP).",
    ),
    look(
        "BrokerRights",
        "A user of the broker has not exactly the rights of the catalogue.",
        why="Who may write to a topic can forge orders; a service that lacks a right does not start.",
    ),
)
