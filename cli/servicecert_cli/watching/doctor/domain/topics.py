"""The topics, and the services' consumer groups: who reads which partition, and what is lost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, FOLLOWED, SERVICES, Topic

from ....faults import listed
from .check import Finding, critical, fault, naming, ok, skipped, warning, worst

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from ....admin.lag import Group, PartitionLag

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
        return int(self.settings.get(_IN_SYNC, "1"))


def check_topics(copies: Sequence[TopicCopy]) -> Finding:
    present = {each.topic for each in copies}
    if missing := [topic.name for topic in CATALOGUE if topic not in present]:
        return fault(f"Missing: {listed(missing)}.")
    return ok(f"All {len(CATALOGUE)} topics exist.")


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
    return ok(f"Each topic has {min(sizes)}.")


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
        return critical(text, "Correct it with kafka-configs.sh; docs/tasks/erasing.md says why.")
    if different:
        return warning(f"{listed([*different], '; ')}.", "Correct it with kafka-configs.sh, unless it is meant.")
    return ok("They are as `servicecert topics create` makes them.")


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
        remedy = "A trial has one broker and needs no more; in production 3 copies (kafka-reassign-partitions.sh)."
        return warning(text, remedy)
    least = min((each.replicas for each in copies), default=0)
    return ok(f"Each topic has at least {least} copies.")


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


def place(part: "PartitionLag | TopicPartition") -> str:
    return f"{part.topic}/{part.partition}"


def check_assignment(groups: "Sequence[Group]") -> Finding:
    running = [group for group in groups if group.members]
    if not running:
        return skipped("No worker runs: see `ServiceDown`.")
    findings = []
    for group in running:
        unread = [place(lag) for lag in group.lags if lag.member is None]
        if len(unread) == len(group.lags):
            text = f"{group.name}: no worker has a partition, they are being distributed."
            findings.append(warning(text, "Look again in a few seconds. If it stays: the workers' logs."))
        elif unread:
            findings.append(fault(f"{group.name}: nobody reads {listed(unread)}."))
    return worst(findings, "Each partition is read.")


def check_idle_workers(groups: "Sequence[Group]") -> Finding:
    findings = []
    for group in groups:
        useful = max(Counter(lag.topic for lag in group.lags).values(), default=0)
        if useful and len(group.members) > useful:
            text = f"{group.name}: {len(group.members)} workers, of which {useful} help."
            remedy = f"Stop {len(group.members) - useful}, or add partitions as in docs/scaling.md."
            findings.append(fault(text, remedy))
    return worst(findings, "No service has more workers than partitions.")


def check_group_clients(groups: "Sequence[Group]") -> Finding:
    clients = [(group.name, member.client_id) for group in groups for member in group.members]
    foreign = [f"{client} in {group}" for group, client in clients if not client.startswith(f"{group}-")]
    return naming("Not ours: {}.", "All members are workers of ours.", foreign)


def check_worker_versions(facts: tuple[str, Sequence[tuple[str, str]]]) -> Finding:
    own, workers = facts
    if not workers:
        return skipped("No worker's version is known: none runs, or its audit names another machine.")
    other = [f"{place} has {version}" for place, version in workers if version != own]
    return naming(f"This command has {own}, but {{}}.", f"All workers have {own}.", other)


def check_offsets(lost: Sequence[tuple[str, Topic, int]]) -> Finding:
    """Judge how many records of partitions, each with its group and its topic, were deleted before they were read."""
    if not lost:
        return ok("All unread records are still there.")
    remedies = dict.fromkeys(_written_again(topic) for _, topic, _ in lost)
    number, places = sum(records for *_, records in lost), listed([each for each, *_ in lost])
    return fault(f"{number} records were deleted unread: {places}.", " ".join(remedies))


def _written_again(topic: Topic) -> str:
    if services := [writer for writer in topic.writers if writer in SERVICES]:
        return " ".join(f"Run `servicecert republish {service} --yes`." for service in services)
    if Principal.REGISTERS_LOADER in topic.writers:
        return "Load the registers again."
    return f"Have the e-service send its {topic.name} again."
