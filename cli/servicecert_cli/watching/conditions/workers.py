"""Processes, and the consumer groups of the services."""

from functools import partial

from .condition import CRITICAL, WARNING, Condition, Subject, counted, unless_outage, working
from .database import LOCKED_SECONDS

_groups = partial(Condition, Subject.GROUPS, needs="Kafka")
_process = partial(Condition, Subject.PROCESSES)
_SERVICES = '{job=~"intake|issuer|revoker|notifier"}'

CONDITIONS = (
    _groups(
        "ServiceDown",
        "No worker of {job} runs: its work waits, and nothing is lost.",
        CRITICAL,
        when="max by (group) (kafka_consumergroup_members) < 1",
        # Whether its workers do not answer or are not found any more, the labels are the same: it stays one alert.
        expr=f"(sum by (job) (up{_SERVICES}) == 0) or "
        + " or ".join(f'absent(up{{job="{job}"}})' for job in ("intake", "issuer", "revoker", "notifier")),
        wait="1m",
        within="2m",
        why="Nobody reads the topics of a service without workers: its work waits.",
        remedy="Start one: `servicecert run {job}`.",
    ),
    _groups(
        "PartitionsUnread",
        "{value} partitions of {service} are read by nobody, though workers run.",
        CRITICAL,
        when='servicecert:partitions_unread:sum{service=~"intake|issuer|revoker|notifier"} > 0',
        expr=working("$when"),
        wait="3m",
        within="4m30s",
        why="The records of a partition that nobody reads wait for ever.",
        remedy="Restart the workers one after another: one may not know a new topic.",
    ),
    _groups(
        "Owners",
        "Several workers read one partition.",
        CRITICAL,
        why="With two owners each record is handled twice: it has one effect, and takes twice the time.",
        remedy="Restart the workers of that service.",
    ),
    _groups(
        "IdleWorkers",
        "A service has more workers than can help.",
        WARNING,
        why="Workers without a partition use memory and connections, and help only when another one dies.",
    ),
    _groups(
        "GroupClients",
        "A member of a group is no worker of ours.",
        CRITICAL,
        why="Another client in a group takes partitions away from the workers, and commits what it did not handle.",
        remedy="Stop that client, then run `servicecert ca reconcile`.",
    ),
    _groups(
        "VersionsDiffer",
        "Processes of {value} versions run: an upgrade was not finished.",
        WARNING,
        when="count(count by (version) (servicecert_build_info)) > 1",
        wait="1h",
        within="1h5m",
        why="Versions side by side are a rollout that is not finished; an old worker parks what it does not know.",
        remedy="Finish the rollout, or use the same version.",
        needs="Kafka, PostgreSQL",
    ),
    _groups(
        "RecordsLost",
        "{value} records of {topic} were deleted before {service} read them: publish them again.",
        CRITICAL,
        when=counted("servicecert_lost_records_total", "1d", " by (service, topic)"),
        within="1m",
        why="Records that were deleted before they were read are lost: an application or a revocation never happens.",
    ),
    _groups(
        "PartitionStalled",
        "{service} cannot read {topic}, partition {partition}, at offset {value}: what is behind waits.",
        CRITICAL,
        # A process that starts again, and one whose partition another has for a moment, does not know yet.
        when=unless_outage("max by (service, topic, partition) (max_over_time(servicecert_stalled_offset[2m]))"),
        wait="30s",
        within="2m",
        why="What cannot be read holds up everything behind it.",
        remedy="See docs/runbook/PartitionStalled.md.",
    ),
    _groups(
        "LagHigh",
        "{service} is behind: the oldest event waits for {value:period}.",
        WARNING,
        when="max by (group) (kafka_consumergroup_group_max_lag_seconds) > 60",
        expr=working('servicecert:lag_seconds:max{service=~"intake|issuer|revoker|notifier"} > $limit'),
        wait="3m",
        within="5m",
        why="What waits in Kafka is late; a revocation is to be on a CRL within a minute.",
        remedy="Watch whether it falls: `servicecert lag --watch`. If not, start more workers of {service}, or look at "
        "the logs of those that run.",
    ),
    _groups(
        "FollowerBehind",
        "{service} has {value} records of {topic} to read: it decides by what was true before.",
        WARNING,
        when="servicecert:followed_lag:max > 1000",
        expr=unless_outage("$when"),
        wait="5m",
        within="7m",
        needs="",
    ),
    _groups(
        "RecordsSkipped",
        "{service} has skipped {value} records of {topic} ({reason}).",
        WARNING,
        when="sum by (service, topic, reason) (servicecert_skipped_records_total) > 0",
        within="1m",
        needs="",
    ),
    _process(
        "LagExporterDown",
        "The exporter of lag does not answer: nobody sees what waits in topics and tables.",
        WARNING,
        when='absent(up{job="lag"} == 1)',
        wait="1m",
        within="2m",
    ),
    _process(
        "WorkerDown",
        "{instance}, a worker of {job}, does not answer; others do its work.",
        WARNING,
        when='(up{job=~"intake|issuer|revoker|notifier|ocsp"} == 0) and on (job) servicecert:workers_up:sum > 0',
        wait="1m",
        within="2m",
    ),
    _process(
        "NotReady",
        "{instance}, a worker of {service}, runs and does not work: its /ready says why.",
        WARNING,
        when=unless_outage(
            '(servicecert_ready{service!~"lag|canary|ocsp"} == 0) unless on (instance) servicecert_clock_wrong == 1'
        )
        + f" unless on (service) servicecert_table_locked_seconds > {LOCKED_SECONDS}",
        wait="3m",
        within="4m30s",
    ),
    _process(
        "FilesNearLimit",
        "{instance} has opened {value:share} of the files and connections it may.",
        WARNING,
        when="process_open_fds / process_max_fds > 0.8",
        wait="5m",
        within="6m",
    ),
    _process(
        "ClockAhead",
        "{instance} works with a clock for trials: never in production.",
        CRITICAL,
        when="servicecert_clock_ahead_seconds > 0",
        within="1m",
    ),
)
