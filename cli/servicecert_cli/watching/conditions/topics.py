"""Topics of the catalogue."""

from .condition import Subject, conditions, unless_outage

critical, warning, look = conditions(Subject.TOPICS)

CONDITIONS = (
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
    warning(
        "CopiesMissing",
        "{value} partitions lack a copy: a broker is down or behind.",
        when="max(servicecert_partitions_out_of_sync) > 0",
        expr=unless_outage("$when"),
        wait="5m",
        within="7m",
        why="With one more broker away records cannot be written, or are lost.",
        remedy="Start the broker that is down, or wait until it has caught up.",
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
