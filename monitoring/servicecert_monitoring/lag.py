"""Lag: what waits in topics, who reads them, and how old the followers' knowledge is."""

from . import units
from .panel import Colour, Dashboard, Panel, Row, State, States, limit_of

_VERDICTS = {
    0.0: State("ok", Colour.GREEN),
    1.0: State("behind", Colour.ORANGE),
    2.0: State("stalled", Colour.RED),
    3.0: State("stopped", Colour.DARK_RED),
}

_GROUPS = Row(
    "Groups",
    Panel("Records that wait", {"{{group}}": "servicecert:lag:sum"}, units.number_of("records")),
    Panel(
        "Age of the oldest record",
        {"{{group}}": "servicecert:lag_seconds:max"},
        units.AGE,
        limits=(limit_of("LagHigh"),),
    ),
    Panel("Members", {"{{group}}": "max by (group) (kafka_consumergroup_members)"}, units.number_of("members")),
    States(
        "Verdict, the worst partition's",
        {"{{group}} ← {{topic}}": "max by (group, topic) (servicecert_group_verdict)"},
        about="ok; behind: more and more waits; stalled: nothing is handled, though a member has the partition;"
        " stopped: no member has it.",
        states=_VERDICTS,
        width=16,
        height=11,
    ),
    Panel(
        "Partitions that nobody reads",
        {"{{group}}": "servicecert:partitions_unread:sum"},
        units.number_of("partitions"),
        limits=(limit_of("PartitionsUnread"),),
        height=11,
    ),
)

_TOPICS = Row(
    "Topics",
    Panel(
        "Records that wait, by topic",
        {"{{group}} ← {{topic}}": "max by (group, topic) (kafka_consumergroup_group_topic_sum_lag)"},
        units.number_of("records"),
    ),
    Panel(
        "Age of the oldest record, by topic",
        {"{{group}} ← {{topic}}": "max by (group, topic) (kafka_consumergroup_group_lag_seconds)"},
        units.AGE,
        nothing="nothing waits",
    ),
    Panel(
        "Commits",
        {"{{group}} ← {{topic}}": "servicecert:handled:rate1m"},
        units.RECORDS,
        "Records that the group has handled.",
    ),
    Panel(
        "Written",
        {"{{topic}}": "sum by (topic) (rate(kafka_partition_latest_offset[1m])) > 0"},
        units.RECORDS,
        "Topics with new records.",
        nothing="nothing is written",
    ),
    Panel(
        "Kept",
        {"{{topic}}": "sum by (topic) (kafka_partition_latest_offset - kafka_partition_earliest_offset)"},
        units.number_of("offsets"),
        "Offsets between the oldest and the newest record; compaction leaves gaps.",
    ),
    Panel(
        "Partitions assigned",
        {
            "{{group}}": "max by (group) (servicecert_group_assigned_partitions)",
            "{{group}}: all": "max by (group) (servicecert_group_partitions)",
        },
        units.number_of("partitions"),
    ),
    width=12,
    height=9,
)

_FOLLOWERS = Row(
    "Followers: topics that each process reads for itself",
    Panel(
        "Records to read",
        {"{{service}} ← {{topic}}": "clamp_min(servicecert:followed_lag:max, 0)"},
        units.number_of("records"),
        "Of the slowest process. One that has read on since the exporter's look has none.",
        limits=(limit_of("FollowerBehind"),),
    ),
    Panel(
        "Age of the newest record read",
        {"{{service}} ← {{topic}}": "time() - max by (service, topic) (servicecert_followed_newest_timestamp_seconds)"},
        units.AGE,
        "Of the registers: since they were loaded (8 days: alert RegistersStale).",
    ),
    Panel(
        "Memory for followed topics",
        {"{{topic}}": "max by (topic) (servicecert_followed_fill)"},
        units.SHARE,
        "Intake's. At 100 % entries are left out.",
        limits=(limit_of("RegisterFull"),),
    ),
)

_LOOKS = Row(
    "The exporter and what it looks at",
    Panel(
        "Brokers, and partitions without all copies",
        {"brokers": "max(kafka_brokers)", "partitions out of sync": "max(servicecert_partitions_out_of_sync)"},
        units.number_of("number"),
        "Alert CopiesMissing.",
    ),
    Panel(
        "Duration of a look at Kafka",
        {
            "look": "servicecert_kafka_look_seconds",
            "since the last look": "time() - servicecert_kafka_looked_timestamp_seconds",
        },
        units.SECONDS,
    ),
    Panel(
        "Duration of a look at the tables",
        {"{{service}}": "servicecert_database_read_seconds"},
        units.SECONDS,
        limits=(limit_of("DatabaseSlow"),),
    ),
)

DASHBOARD = Dashboard(
    "lag",
    "Lag",
    "What waits in Kafka's topics, in records and in time, and who reads them.",
    (_GROUPS, _TOPICS, _FOLLOWERS, _LOOKS),
)
