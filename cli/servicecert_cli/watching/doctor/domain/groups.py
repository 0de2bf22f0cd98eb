"""The services' consumer groups: who reads which partition, and what is lost or held up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from servicecert_schemas.principals import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES

from .check import Finding, fault, listed, naming, ok, skipped, warning, worst


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Member(NamedTuple):
    """A member of a group: its client id, and the partitions that it reads."""

    client: str
    partitions: frozenset[Partition] = frozenset()


@dataclass(frozen=True, slots=True)
class Group:
    """A service's group, the partitions that it should read, and how its workers' client ids begin.

    `lost` has how many records of a partition were deleted before the group read them: nobody will read them.
    """

    service: str
    partitions: frozenset[Partition]
    members: tuple[Member, ...]
    lost: Mapping[Partition, int] = field(default_factory=dict)
    prefix: str = ""


def check_assignment(groups: Sequence[Group]) -> Finding:
    running = [group for group in groups if group.members]
    if not running:
        return skipped("No worker runs: see `ServiceDown`.")
    findings = []
    for group in running:
        read = {partition for member in group.members for partition in member.partitions}
        if not read:
            text = f"{group.service}: no worker has a partition, they are being distributed."
            findings.append(warning(text, "Look again in a few seconds. If it stays: the workers' logs."))
        elif unread := sorted(map(str, group.partitions - read)):
            findings.append(fault(f"{group.service}: nobody reads {listed(unread)}."))
    return worst(findings, "Each partition is read.")


def check_owners(groups: Sequence[Group]) -> Finding:
    counts = Counter(
        (group.service, partition) for group in groups for member in group.members for partition in member.partitions
    )
    doubled = sorted(f"{service} {partition}" for (service, partition), count in counts.items() if count > 1)
    return naming("Several workers read {}.", "No partition has two owners.", doubled)


def check_idle_workers(groups: Sequence[Group]) -> Finding:
    findings = []
    for group in groups:
        useful = max(Counter(partition.topic for partition in group.partitions).values(), default=0)
        if useful and len(group.members) > useful:
            text = f"{group.service}: {len(group.members)} workers, of which {useful} help."
            remedy = f"Stop {len(group.members) - useful}, or add partitions as in docs/scaling.md."
            findings.append(fault(text, remedy))
    return worst(findings, "No service has more workers than partitions.")


def check_group_clients(groups: Sequence[Group]) -> Finding:
    foreign = [
        f"{member.client} in {group.service}"
        for group in groups
        for member in group.members
        if not member.client.startswith(f"{group.prefix}{group.service}-")
    ]
    return naming("Not ours: {}.", "All are workers.", foreign)


def check_worker_versions(facts: tuple[str, Sequence[tuple[str, str]]]) -> Finding:
    """Judge this command's version and those of the workers, each with its place."""
    own, workers = facts
    if not workers:
        return skipped("No worker's version is known: none runs, or its audit names another machine.")
    other = [f"{place} has {version}" for place, version in workers if version != own]
    return naming(f"This command has {own}, but {{}}.", f"All have {own}.", other)


def check_offsets(groups: Sequence[Group]) -> Finding:
    lost = {(group.service, part): records for group in groups for part, records in group.lost.items()}
    if not lost:
        return ok("All unread records are still there.")
    places = listed([f"{service} {part}" for service, part in lost])
    remedies = dict.fromkeys(_written_again(part.topic) for _, part in lost)
    return fault(f"{sum(lost.values())} records were deleted unread: {places}.", " ".join(remedies))


def _written_again(topic: str) -> str:
    """Return what brings a topic's records again."""
    (writers,) = (each.writers for each in CATALOGUE if each.name == topic)
    if services := [writer for writer in writers if writer in SERVICES]:
        return " ".join(f"Run `servicecert republish {service} --yes`." for service in services)
    if Principal.REGISTERS_LOADER in writers:
        return "Load the registers again."
    return f"Have the e-service send its {topic} again."
