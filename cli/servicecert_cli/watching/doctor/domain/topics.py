"""The topics, compared with the catalogue."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicecert_schemas.topics import CATALOGUE, FOLLOWED, Topic

from .check import Finding, critical, fault, listed, ok, skipped, warning

_IN_SYNC = "min.insync.replicas"
_POLICY = "cleanup.policy"
_BOUNDS = ("retention.ms", "segment.ms", "max.compaction.lag.ms", "message.timestamp.after.max.ms")


@dataclass(frozen=True, slots=True)
class TopicCopy:
    """A topic in the cluster; `in_sync` is that of its worst partition. Settings have Kafka's names."""

    topic: Topic
    partitions: int
    replicas: int
    in_sync: int
    settings: Mapping[str, str]

    @property
    def needed(self) -> int:
        """How many copies must be in sync, so that a record can be written."""
        return int(self.settings.get(_IN_SYNC, "1"))


def check_topics(copies: Sequence[TopicCopy]) -> Finding:
    present = {each.topic for each in copies}
    if missing := [topic.name for topic in CATALOGUE if topic not in present]:
        return fault(f"Missing: {listed(missing)}.")
    return ok(f"All {len(CATALOGUE)} exist.")


def check_partitions(copies: Sequence[TopicCopy]) -> Finding:
    followed = [each for each in copies if each.topic in FOLLOWED and not each.topic.can_grow]
    if grown := [each for each in followed if each.partitions > each.topic.partitions]:
        shown = [f"{each.topic.name} has {each.partitions} and not {each.topic.partitions}" for each in grown]
        return fault(f"Partitions were added by hand: {listed(shown)}.", "docs/scaling.md says how to mend it.")
    shared = [each for each in copies if each.topic.can_grow]
    if not shared:
        return skipped("There is no such topic: see `Topics`.")
    sizes = Counter(each.partitions for each in shared)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        odd = [f"{each.topic.name} has {each.partitions}" for each in shared if each.partitions != usual]
        text = f"Topics have {usual} partitions, but {listed(odd)}."
        return fault(text, f"Run `servicecert topics grow {max(sizes)}`: docs/scaling.md says how.")
    return ok(f"Each has {min(sizes)}.")


def check_topic_settings(copies: Sequence[TopicCopy]) -> Finding:
    """Judge all settings but the number of copies in sync, which `MinInSync` judges."""
    different = {
        f"{each.topic.name}: {name} is {actual}, not {value}": _keeps_people(each.topic, name, actual, value)
        for each in copies
        for name, value in each.topic.config.items()
        if name != _IN_SYNC and (actual := each.settings.get(name)) != value
    }
    if longer := [text for text, keeps in different.items() if keeps]:
        text = f"Personal data is kept longer than E3 allows: {listed(longer, '; ')}."
        return critical(text, "Correct it with kafka-configs.sh; docs/runbook/erasing.md says why.")
    if different:
        return warning(f"{listed([*different], '; ')}.", "Correct it with kafka-configs.sh, unless it is meant.")
    return ok("As `servicecert topics create` makes them.")


def _keeps_people(topic: Topic, name: str, actual: str | None, wanted: str) -> bool:
    """Return whether personal data stays in a topic for longer with this setting than with the catalogue's."""
    if not topic.personal or actual is None:
        return False
    return name == _POLICY or (name in _BOUNDS and wanted != "-1" and not 0 <= int(actual) <= int(wanted))


def check_replication(copies: Sequence[TopicCopy]) -> Finding:
    if stopped := [each for each in copies if each.in_sync < max(1, each.needed)]:
        text = f"{_named(stopped, copies)}: no record can be written, too few copies are in sync."
        return critical(text, "Start the brokers that are down.")
    if single := [each for each in copies if each.replicas == 1]:
        text = f"{_named(single, copies)}: one copy only."
        return warning(text, "In production use 3 brokers and 3 copies (kafka-reassign-partitions.sh).")
    least = min((each.replicas for each in copies), default=0)
    return ok(f"At least {least} copies.")


def check_min_in_sync(copies: Sequence[TopicCopy]) -> Finding:
    several = [each for each in copies if each.replicas > 1]
    if not several:
        return skipped("No topic has several copies: see `Replication`.")
    if weak := [each for each in several if each.needed == 1]:
        text = f"{_named(weak, copies)}: a record counts as written when one broker has it."
        return fault(text, f"Set {_IN_SYNC} = 2 (kafka-configs.sh).")
    if strict := [each for each in several if each.needed >= each.replicas]:
        text = f"{_named(strict, copies)}: nothing can be written while one broker is down."
        return fault(text, f"Set {_IN_SYNC} to one less than the copies (kafka-configs.sh).")
    return ok(f"At least {min(each.needed for each in several)} brokers have each record.")


def _named(found: Sequence[TopicCopy], copies: Sequence[TopicCopy]) -> str:
    return "All topics" if len(found) == len(copies) else listed([each.topic.name for each in found])
