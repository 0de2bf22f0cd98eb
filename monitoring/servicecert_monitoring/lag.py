"""Lag: what waits in topics, who reads them, and how old the followers' knowledge is."""

from .panel import Colour, Dashboard, Kind, Limit, Panel, Query, Row, State
from .units import Unit

_VERDICTS = {
    0.0: State("ok", Colour.GREEN),
    1.0: State("behind", Colour.ORANGE),
    2.0: State("stalled", Colour.RED),
    3.0: State("stopped", Colour.DARK_RED),
}

_GROUPS = Row(
    "Groups",
    (
        Panel(
            "Records that wait",
            (Query("servicecert:lag:sum", "{{group}}"),),
            axis="records",
        ),
        Panel(
            "Age of the oldest record",
            (Query("servicecert:lag_seconds:max", "{{group}}"),),
            Unit.SECONDS,
            axis="age",
            limits=(Limit(60, "LagHigh"),),
        ),
        Panel(
            "Members",
            (Query("max by (group) (kafka_consumergroup_members)", "{{group}}"),),
            axis="members",
        ),
        Panel(
            "Verdict, the worst partition's",
            (Query("max by (group, topic) (servicecert_group_verdict)", "{{group}} ← {{topic}}"),),
            about="ok; behind: more and more waits; stalled: nothing is handled, though a member has the partition;"
            " stopped: no member has it.",
            kind=Kind.STATES,
            states=_VERDICTS,
            width=16,
            height=11,
        ),
        Panel(
            "Partitions that nobody reads",
            (Query("servicecert:partitions_unread:sum", "{{group}}"),),
            axis="partitions",
            limits=(Limit(1, "PartitionsUnread", Colour.RED),),
            height=11,
        ),
    ),
)

_TOPICS = Row(
    "Topics",
    (
        Panel(
            "Records that wait, by topic",
            (Query("max by (group, topic) (kafka_consumergroup_group_topic_sum_lag)", "{{group}} ← {{topic}}"),),
            axis="records",
            width=12,
            height=9,
        ),
        Panel(
            "Age of the oldest record, by topic",
            (Query("max by (group, topic) (kafka_consumergroup_group_lag_seconds)", "{{group}} ← {{topic}}"),),
            Unit.SECONDS,
            axis="age",
            nothing="nothing waits",
            width=12,
            height=9,
        ),
        Panel(
            "Commits",
            (Query("servicecert:handled:rate1m", "{{group}} ← {{topic}}"),),
            Unit.RECORDS,
            "Records that the group has handled.",
            width=12,
            height=9,
        ),
        Panel(
            "Written",
            (Query("sum by (topic) (rate(kafka_partition_latest_offset[1m])) > 0", "{{topic}}"),),
            Unit.RECORDS,
            "Topics with new records.",
            nothing="nothing is written",
            width=12,
            height=9,
        ),
        Panel(
            "Kept",
            (Query("sum by (topic) (kafka_partition_latest_offset - kafka_partition_earliest_offset)", "{{topic}}"),),
            about="Offsets between the oldest and the newest record; compaction leaves gaps.",
            axis="offsets",
            width=12,
            height=9,
        ),
        Panel(
            "Partitions assigned",
            (
                Query("max by (group) (servicecert_group_assigned_partitions)", "{{group}}"),
                Query("max by (group) (servicecert_group_partitions)", "{{group}}: all"),
            ),
            axis="partitions",
            width=12,
            height=9,
        ),
    ),
)

_FOLLOWERS = Row(
    "Followers: topics that each process reads for itself",
    (
        Panel(
            "Records to read",
            (Query("clamp_min(servicecert:followed_lag:max, 0)", "{{service}} ← {{topic}}"),),
            about="Of the slowest process. One that has read on since the exporter's look has none.",
            axis="records",
            limits=(Limit(1000, "FollowerBehind"),),
        ),
        Panel(
            "Age of the newest record read",
            (
                Query(
                    "time() - max by (service, topic) (servicecert_followed_newest_timestamp_seconds)",
                    "{{service}} ← {{topic}}",
                ),
            ),
            Unit.SECONDS,
            "Of the registers: since they were loaded (8 days: alert RegistersStale).",
            axis="age",
        ),
        Panel(
            "Memory for followed topics",
            (Query("max by (topic) (servicecert_followed_fill)", "{{topic}}"),),
            Unit.SHARE,
            "Intake's. At 100 % entries are left out.",
            limits=(Limit(0.8, "RegisterFull", Colour.RED),),
        ),
    ),
)

_LOOKS = Row(
    "The exporter and what it looks at",
    (
        Panel(
            "Brokers, and partitions without all copies",
            (
                Query("max(kafka_brokers)", "brokers"),
                Query("max(servicecert_partitions_out_of_sync)", "partitions out of sync"),
            ),
            about="Alert CopiesMissing.",
            axis="number",
        ),
        Panel(
            "Duration of a look at Kafka",
            (
                Query("servicecert_kafka_look_seconds", "look"),
                Query("time() - servicecert_kafka_looked_timestamp_seconds", "since the last look"),
            ),
            Unit.SECONDS,
        ),
        Panel(
            "Duration of a look at the tables",
            (Query("servicecert_database_read_seconds", "{{service}}"),),
            Unit.SECONDS,
            limits=(Limit(0.1, "DatabaseSlow"),),
        ),
    ),
)

DASHBOARD = Dashboard(
    "lag",
    "Lag",
    "What waits in Kafka's topics, in records and in time, and who reads them.",
    (_GROUPS, _TOPICS, _FOLLOWERS, _LOOKS),
)
