"""Kafka: its brokers, the topics of the catalogue, and the consumer groups of the services."""

from .condition import Subject, conditions, counted, unless_outage, working

critical, warning, look = conditions(Subject.KAFKA)

_KAFKA = (
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
        "Brokers",
        "A broker that holds our topics is down, or nobody leads a partition.",
        why="A partition whose brokers are down can be neither read nor written.",
    ),
    warning(
        "CopiesMissing",
        "{value} partitions lack a copy: a broker is down or behind.",
        when="max(servicecert_partitions_out_of_sync) > 0",
        expr=unless_outage("$when"),
        wait="5m",
        within="7m",
        why="With one more broker away records cannot be written, or are lost.",
        remedy="Start the broker that is down, or wait until it has caught up.",
        well="Every partition has all its copies.",
    ),
    look(
        "BrokerRights",
        "A user of the broker has not exactly the rights of the catalogue.",
        why="Who may write to a topic can forge orders; a service that lacks a right does not start.",
    ),
)

critical, warning, look = conditions(Subject.TOPICS)

_TOPICS = (
    critical(
        "Topics",
        "A topic of the catalogue does not exist.",
        why="A service whose topic is missing does not start, or cannot publish.",
        remedy="Run `servicecert topics create`.",
    ),
    warning(
        "Partitions",
        "Topics that workers share differ in their partitions, or a followed one got more.",
        why="The one with the fewest decides how many workers help; of a followed one an older record could win over a "
        "newer.",
    ),
    look(
        "TopicSettings",
        "A topic has other settings than the catalogue's.",
        why="A wrong retention or compaction loses records, or keeps what is to be erased.",
    ),
    look(
        "Replication",
        "A topic has one copy only, or too few copies in sync to be written.",
        why="Records of a topic with one copy are lost with its broker.",
    ),
    warning(
        "MinInSync",
        "A record counts as written when one broker has it, or only when all have it.",
        why="A record that one broker has is lost with it; a topic that needs all brokers stops with the first.",
    ),
)

critical, warning, _ = conditions(Subject.GROUPS)
_SERVICES = '{job=~"intake|issuer|revoker|notifier"}'

_GROUPS = (
    critical(
        "ServiceDown",
        "No worker of {job} runs: its work waits, and nothing is lost.",
        when="kafka_consumergroup_members < 1",
        # Whether its workers do not answer or are not found any more, the labels are the same: it stays one alert.
        expr=f"(sum by (job) (up{_SERVICES}) == 0) or "
        + " or ".join(f'absent(up{{job="{job}"}})' for job in ("intake", "issuer", "revoker", "notifier")),
        wait="1m",
        within="2m",
        why="Nobody reads the topics of a service without workers: its work waits.",
        remedy="Start one: its unit, or `servicecert run {job}`.",
        well="Each service has a worker.",
    ),
    critical(
        "PartitionsUnread",
        "{value} partitions of {service} are read by nobody, though workers run.",
        when='servicecert:partitions_unread:sum{service=~"intake|issuer|revoker|notifier"} > 0',
        expr=working("$when"),
        wait="3m",
        within="4m30s",
        why="The records of a partition that nobody reads wait for ever.",
        remedy="Restart the workers one after another: one may not know a new topic.",
    ),
    warning(
        "IdleWorkers",
        "A service has more workers than can help.",
        why="Workers without a partition use memory and connections, and help only when another one dies.",
    ),
    critical(
        "GroupClients",
        "A member of a group is no worker of ours.",
        why="Another client in a group takes partitions away from the workers, and commits what it did not handle.",
        remedy="Stop that client, then run `servicecert ca reconcile`.",
    ),
    warning(
        "VersionsDiffer",
        "Processes of {value} versions run: an upgrade was not finished.",
        when="count(count by (version) (servicecert_build_info)) > 1",
        wait="1h",
        within="1h5m",
        why="Versions side by side are a rollout that is not finished; an old worker parks what it does not know.",
        remedy="Finish the rollout, or use the same version.",
    ),
    critical(
        "RecordsLost",
        "{value} records of {topic} were deleted before {service} read them: publish them again.",
        when=counted("servicecert_lost_records_total", "1d", " by (service, topic)"),
        why="Records that were deleted before they were read are lost: an application or a revocation never happens.",
    ),
    critical(
        "PartitionStalled",
        "{service} cannot read {topic}, partition {partition}, at offset {value}: what is behind waits.",
        # A process that starts again, and one whose partition another has for a moment, does not know yet.
        when=unless_outage("max by (service, topic, partition) (max_over_time(servicecert_stalled_offset[2m]))"),
        wait="30s",
        within="2m",
        why="What cannot be read holds up everything behind it.",
        remedy="The process's log says why. Start brokers that are down; put a new version back.",
    ),
    warning(
        "LagHigh",
        "{service} is behind: the oldest event waits for {value:period}.",
        when="kafka_consumergroup_group_max_lag_seconds > 60",
        expr=working('servicecert:lag_seconds:max{service=~"intake|issuer|revoker|notifier"} > $limit'),
        wait="3m",
        within="5m",
        why="What waits in Kafka is late; a revocation is to be on a CRL within a minute.",
        remedy="See whether it falls: `servicecert lag`, twice. If not, start more workers of {service}, or look at "
        "the logs of those that run.",
    ),
    warning(
        "FollowerBehind",
        "{service} has {value} records of {topic} to read: it decides by what was true before.",
        when="servicecert:followed_lag:max > 1000",
        expr=unless_outage("$when"),
        wait="5m",
        within="7m",
    ),
    warning(
        "RecordsSkipped",
        "{service} has skipped {value} records of {topic} ({reason}).",
        when="sum by (service, topic, reason) (servicecert_skipped_records_total) > 0",
    ),
)

CONDITIONS = (*_KAFKA, *_TOPICS, *_GROUPS)
