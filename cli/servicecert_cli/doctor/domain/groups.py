"""The services' consumer groups: who reads which partition, how far, and what is left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicecert_schemas.principals import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES

from .check import Finding, Subject, critical, examination, listed, ok, period, skipped, warning, worst

WARN_SECONDS, CRITICAL_SECONDS = 10.0, 60.0
"""From these ages on, what waits is late: a revocation is to be on a CRL within 60 s."""
_NOBODY = "No worker runs: see `workers`."


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group: its client id, and the partitions that it reads."""

    client: str
    partitions: frozenset[Partition] = frozenset()


@dataclass(frozen=True, slots=True)
class Group:
    """A service's group, the partitions that it should read, and how its workers' client ids begin."""

    service: str
    partitions: frozenset[Partition]
    members: tuple[Member, ...]
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Records between a group's committed offset and the first that the topic still has: nobody will read them."""

    service: str
    partition: Partition
    records: int


@dataclass(frozen=True, slots=True)
class Lag:
    """The messages that a service has not handled, at two looks; and the age of the oldest, None if unknown."""

    service: str
    before: int
    now: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A partition whose next records cannot be read, and the offset where its service is."""

    service: str
    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class WorkerVersion:
    """The version of servicecert of a worker's newest audit chain, None if the audit has none of its machine."""

    service: str
    machine: str
    version: str | None


@examination(
    "workers",
    Subject.GROUPS,
    "Does each service have a worker in its group?",
    "Nobody reads the topics of a service without workers: its work waits.",
)
def check_workers(groups: Sequence[Group]) -> Finding:
    if absent := [group.service for group in groups if not group.members]:
        remedy = " ".join(f"Start one: `servicecert run {service}`." for service in absent)
        return critical(f"No worker runs: {', '.join(absent)}.", remedy)
    return ok(", ".join(f"{len(group.members)} of {group.service}" for group in groups) + ".")


@examination(
    "assignment",
    Subject.GROUPS,
    "Is each partition read by a worker?",
    "The records of a partition that nobody reads wait for ever.",
)
def check_assignment(groups: Sequence[Group]) -> Finding:
    running = [group for group in groups if group.members]
    if not running:
        return skipped(_NOBODY)
    findings = []
    for group in running:
        read = {partition for member in group.members for partition in member.partitions}
        if not read:
            text = f"{group.service}: no worker has a partition, they are being distributed."
            findings.append(warning(text, "Look again in a few seconds. If it stays: the workers' logs."))
        elif unread := sorted(map(str, group.partitions - read)):
            text = f"{group.service}: nobody reads {listed(unread)}."
            findings.append(critical(text, "Restart the workers one after another: one may not know a new topic."))
    return worst(findings, "Each partition is read.")


@examination(
    "owners",
    Subject.GROUPS,
    "Does only one worker read each partition?",
    "With two owners each record is handled twice: it has one effect, and takes twice the time.",
)
def check_owners(groups: Sequence[Group]) -> Finding:
    counts = Counter(
        (group.service, partition) for group in groups for member in group.members for partition in member.partitions
    )
    if doubled := sorted(f"{service} {partition}" for (service, partition), count in counts.items() if count > 1):
        return critical(f"Several workers read {listed(doubled)}.", "Restart the workers of that service.")
    return ok("No partition has two owners.")


@examination(
    "idle-workers",
    Subject.GROUPS,
    "Are there no more workers than can help?",
    "Workers without a partition use memory and connections, and help only when another one dies.",
)
def check_idle_workers(groups: Sequence[Group]) -> Finding:
    findings = []
    for group in groups:
        useful = max(Counter(partition.topic for partition in group.partitions).values(), default=0)
        if useful and len(group.members) > useful:
            text = f"{group.service}: {len(group.members)} workers, of which {useful} help."
            findings.append(
                warning(text, f"Stop {len(group.members) - useful}, or add partitions as in docs/scaling.md.")
            )
    return worst(findings, "No service has more workers than partitions.")


@examination(
    "group-clients",
    Subject.GROUPS,
    "Are all members of the groups our workers?",
    "Another client in a group takes partitions away from the workers, and commits what it did not handle.",
)
def check_group_clients(groups: Sequence[Group]) -> Finding:
    foreign = [
        f"{member.client} in {group.service}"
        for group in groups
        for member in group.members
        if not member.client.startswith(f"{group.prefix}{group.service}-")
    ]
    if foreign:
        return critical(f"Not ours: {listed(foreign)}.", "Stop that client, then run `servicecert ca reconcile`.")
    return ok("All are workers.")


@examination(
    "worker-versions",
    Subject.GROUPS,
    "Do all workers, and this command, have the same version?",
    "Versions side by side are a rollout that is not finished; an old worker parks what it does not know.",
)
def check_worker_versions(facts: tuple[str, Sequence[WorkerVersion]]) -> Finding:
    """Judge this command's version and those of the workers."""
    own, workers = facts
    known = [each for each in workers if each.version is not None]
    if not known:
        return skipped("No worker's version is known: none runs, or its audit names another machine.")
    if other := [f"{each.service} on {each.machine} has {each.version}" for each in known if each.version != own]:
        return warning(f"This command has {own}, but {listed(other)}.", "Finish the rollout, or use the same version.")
    return ok(f"All have {own}.")


@examination(
    "offsets",
    Subject.GROUPS,
    "Does each topic still have the records that its readers have not read?",
    "Records that were deleted before they were read are lost: an application or a revocation never happens.",
)
def check_offsets(lost: Sequence[Lost]) -> Finding:
    if lost:
        total = sum(each.records for each in lost)
        places = listed([f"{each.service} {each.partition}" for each in lost])
        remedies = dict.fromkeys(_written_again(each.partition.topic) for each in lost)
        return critical(f"{total} records were deleted unread: {places}.", " ".join(remedies))
    return ok("All unread records are still there.")


def _written_again(topic: str) -> str:
    """Return what brings a topic's records again."""
    (writers,) = (each.writers for each in CATALOGUE if each.name == topic)
    if services := [writer for writer in writers if writer in SERVICES]:
        return " ".join(f"Run `servicecert republish {service} --yes`." for service in services)
    if Principal.REGISTERS_LOADER in writers:
        return "Load the registers again."
    return f"Have the e-service send its {topic} again."


@examination(
    "unreadable",
    Subject.GROUPS,
    "Can the next record of each partition be read, where one waits for a minute?",
    "What cannot be read holds up everything behind it.",
)
def check_unreadable(unreadable: Sequence[Unreadable]) -> Finding:
    if unreadable:
        places = listed([f"{each.service} {each.partition} at offset {each.offset}" for each in unreadable])
        return critical(f"Cannot be read: {places}.", "See docs/runbook/PartitionStalled.md.")
    return ok("All that waits can be read.")


@examination(
    "lag",
    Subject.GROUPS,
    "Do the workers keep up?",
    "What waits in Kafka is late; a revocation is to be on a CRL within a minute.",
)
def check_lag(lags: Sequence[Lag]) -> Finding:
    findings = [_lagging(lag) for lag in lags if lag.now]
    waiting = sum(lag.now for lag in lags)
    return worst(findings, f"{waiting} messages wait, none is old." if waiting else "No message waits.")


def _lagging(lag: Lag) -> Finding:
    trend = "more and more" if lag.now > lag.before else "fewer and fewer" if lag.now < lag.before else "no fewer"
    age = "of unknown age" if lag.seconds is None else f"{period(lag.seconds)} old"
    text = f"{lag.service}: {lag.now} messages wait, {trend}; the oldest is {age}."
    seconds = CRITICAL_SECONDS if lag.seconds is None else lag.seconds
    if seconds < WARN_SECONDS:
        return ok(text)
    if lag.now < lag.before:
        return warning(text, "Wait; if it is too slow, start more workers.")
    remedy = f"Start more workers of {lag.service}, or look at the logs of those that run."
    return critical(text, remedy) if seconds >= CRITICAL_SECONDS else warning(text, remedy)


def lost(service: str, committed: Mapping[Partition, int], first: Mapping[Partition, int]) -> list[Lost]:
    """Return the records that were deleted before the service read them, by partition."""
    return [
        Lost(service, partition, first[partition] - offset)
        for partition, offset in committed.items()
        if partition in first and 0 <= offset < first[partition]
    ]
