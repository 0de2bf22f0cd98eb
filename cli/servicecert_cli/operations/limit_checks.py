"""Which limit of an installation is near: from what was measured to a verdict and what to do. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from servicecert_schemas.topics import CATALOGUE, SERVICES, Topic

NEAR_SECONDS, LIMIT_SECONDS = 10.0, 60.0
"""From these ages on, what waits is near the limit or at it: a revocation is to be on a CRL within 60 s."""

CONNECTIONS_PER_WORKER = 8
ROOM_FOR_WORKERS = len(SERVICES)
LOCKS = 256
_KEYED = max(topic.partitions for topic in CATALOGUE)


class Verdict(StrEnum):
    """How near a limit is. UNKNOWN: the check could not be made."""

    OK = "ok"
    NEAR = "near"
    LIMIT = "limit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: what was found, and, unless it is OK, what to do."""

    subject: str
    verdict: Verdict
    finding: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A service's consumer group: the partitions of each topic that it reads, and how many each member has."""

    service: str
    partitions: Mapping[str, int]
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lag:
    """The messages that a service has not handled, at two looks; and the age of the oldest, None if unknown."""

    service: str
    before: int
    now: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open intents of a service and its unpublished events; ages of the oldest in seconds."""

    service: str
    intents: int
    intents_seconds: float
    outbox: int
    outbox_seconds: float


@dataclass(frozen=True, slots=True)
class Connections:
    """PostgreSQL's connections: how many there may be, those reserved for administrators, those in use now."""

    most: int
    reserved: int
    used: int
    used_by_services: int


@dataclass(frozen=True, slots=True)
class TopicCopy:
    """A topic in the cluster; `in_sync` is that of its worst partition. Settings have Kafka's names."""

    topic: Topic
    partitions: int
    replicas: int
    in_sync: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CrlPass:
    """The last published pass over a CA's CRLs: the entries of the full one, and the seconds it took."""

    issuer: str
    entries: int
    seconds: float


def check_workers(group: Group) -> Check:
    """Return whether more workers of a service could help, and whether all its partitions are read."""
    subject = f"{group.service} workers"
    if not group.partitions:
        return Check(subject, Verdict.LIMIT, "Its topics do not exist.", "Run `servicecert topics create`.")
    workers, total, useful = len(group.members), sum(group.partitions.values()), max(group.partitions.values())
    idle, unread = group.members.count(0), total - sum(group.members)
    start = f"Start one: `servicecert run {group.service}`."
    if not workers:
        return Check(subject, Verdict.LIMIT, "No worker runs: nobody reads its topics.", start)
    if idle == workers:
        finding = f"{workers} in the group, none has a partition: they are being distributed."
        return Check(subject, Verdict.NEAR, finding, "Look again in a few seconds. If it stays: the workers' logs.")
    finding = f"{workers} for {total} partitions; up to {useful} help."
    if unread > 0:
        finding = f"{unread} of {total} partitions are read by nobody, with {workers} in the group."
        return Check(subject, Verdict.LIMIT, finding, "Look at the workers' logs: one may not know a new topic.")
    if workers > useful:
        more = f" {idle} have no partition." if idle else ""
        remedy = f"Stop {workers - useful}, or add partitions as in docs/scaling.md."
        return Check(subject, Verdict.NEAR, f"{finding}{more}", remedy)
    if idle:
        return Check(subject, Verdict.NEAR, f"{finding} {idle} have no partition.", "Look again in a few seconds.")
    if workers == useful:
        return Check(subject, Verdict.NEAR, finding, "One more would read no faster: add partitions first.")
    return Check(subject, Verdict.OK, finding)


def check_lag(lag: Lag) -> Check:
    """Return whether a service keeps up: what waits is young, or becomes less."""
    subject = f"{lag.service} lag"
    if not lag.now:
        return Check(subject, Verdict.OK, "No message waits.")
    trend = "more and more" if lag.now > lag.before else "fewer and fewer" if lag.now < lag.before else "no fewer"
    age = "of unknown age" if lag.seconds is None else f"{lag.seconds:.0f} s old"
    finding = f"{lag.now} messages wait, {trend}; the oldest is {age}."
    verdict = _verdict_of_age(LIMIT_SECONDS if lag.seconds is None else lag.seconds)
    if verdict is Verdict.OK:
        return Check(subject, verdict, finding)
    if lag.now < lag.before:
        return Check(subject, Verdict.NEAR, finding, "Wait; if it is too slow, start more workers.")
    remedy = f"Start more workers of {lag.service}, or look at the logs of those that run."
    return Check(subject, verdict, finding, remedy)


_INTENTS = {
    "intake": "Look at intake's log.",
    "issuer": "The key or the processor is the limit: see `servicecert ca status`, then add issuers or a faster token.",
    "revoker": "CRLs are published too slowly or not at all: see the check of CRLs, and the revoker's log.",
    "notifier": "The mail server is the limit: see servicecert_mail_last_answer, then raise SMTP_CONNECTIONS.",
}


def check_intents(backlog: Backlog) -> Check:
    """Return whether a service carries out its side effects as fast as it decides them."""
    subject = f"{backlog.service} intents"
    if not backlog.intents:
        return Check(subject, Verdict.OK, "None is open.")
    finding = f"{backlog.intents} are open; the oldest waits {backlog.intents_seconds:.0f} s."
    verdict = _verdict_of_age(backlog.intents_seconds)
    return Check(subject, verdict, finding, "" if verdict is Verdict.OK else _INTENTS[backlog.service])


def check_outboxes(backlogs: Sequence[Backlog]) -> Check:
    """Return whether the leaders publish events as fast as they are decided."""
    worst = max(backlogs, key=lambda each: each.outbox_seconds)
    if not worst.outbox:
        return Check("outboxes", Verdict.OK, "All events are published.")
    finding = f"{worst.service} has {worst.outbox} unpublished events; the oldest waits {worst.outbox_seconds:.0f} s."
    verdict = _verdict_of_age(worst.outbox_seconds)
    remedy = f"Kafka does not take them, or the leader of {worst.service} is frozen or does not run: see its log."
    return Check("outboxes", verdict, finding, "" if verdict is Verdict.OK else remedy)


def _verdict_of_age(seconds: float) -> Verdict:
    return Verdict.OK if seconds < NEAR_SECONDS else Verdict.NEAR if seconds < LIMIT_SECONDS else Verdict.LIMIT


def check_connections(connections: Connections | None, workers: int | None) -> Check:
    """Return whether PostgreSQL has connections for these workers, 8 each, beside the others in use.

    `connections` is None where none was left to ask. `workers` is None where their number is unknown: then the
    connections in use now count.
    """
    raised = "Raise max_connections and restart PostgreSQL"
    if connections is None:
        return Check("connections", Verdict.LIMIT, "PostgreSQL has none left.", f"{raised}, or stop workers.")
    usable = connections.most - connections.reserved
    if workers is None:
        needed, finding = connections.used, f"{connections.used} of {usable} in use."
    else:
        others = connections.used - connections.used_by_services
        needed = CONNECTIONS_PER_WORKER * workers + others
        parts = f"{CONNECTIONS_PER_WORKER} for each of {workers} workers, {others} for others"
        finding = f"{needed} of {usable} needed: {parts}; {connections.used} in use."
    room = (usable - needed) // CONNECTIONS_PER_WORKER
    if needed > usable or connections.used >= usable:
        return Check("connections", Verdict.LIMIT, finding, f"{raised}, or stop workers: some cannot start again.")
    if room < ROOM_FOR_WORKERS:
        remedy = f"Room for {room} more workers. {raised} before you add more."
        return Check("connections", Verdict.NEAR, finding, remedy)
    return Check("connections", Verdict.OK, f"{finding} Room for {room} more workers.")


def check_database_settings(locks: int) -> Check:
    """Return whether a turn's locks fit into PostgreSQL's table of locks."""
    finding = f"max_locks_per_transaction is {locks}."
    if locks >= LOCKS:
        return Check("database", Verdict.OK, finding)
    return Check("database", Verdict.NEAR, finding, f"Set max_locks_per_transaction = {LOCKS}, restart PostgreSQL.")


def check_topics(copies: Sequence[TopicCopy]) -> Check:
    """Return whether all topics of the catalogue exist, with equal numbers of partitions."""
    present = {each.topic for each in copies}
    if missing := [topic.name for topic in CATALOGUE if topic not in present]:
        return Check("topics", Verdict.LIMIT, f"Missing: {_listed(missing)}.", "Run `servicecert topics create`.")
    keyed = [each for each in copies if each.topic.partitions == _KEYED]
    sizes = Counter(each.partitions for each in keyed)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        odd = [f"{each.topic.name} has {each.partitions}" for each in keyed if each.partitions != usual]
        remedy = "Give all the same: docs/scaling.md says how to add partitions."
        return Check("topics", Verdict.NEAR, f"Topics have {usual} partitions, but {_listed(odd)}.", remedy)
    return Check(
        "topics", Verdict.OK, f"All {len(copies)} exist, those with keys of cases with {min(sizes)} partitions."
    )


def check_copies(copies: Sequence[TopicCopy], brokers: int) -> Check:
    """Return whether a broker may be lost: replicas, how many are in sync, how many must be."""

    def needed(each: TopicCopy) -> int:
        return int(each.settings.get("min.insync.replicas", "1"))

    def named(found: Sequence[TopicCopy]) -> str:
        return "All topics" if len(found) == len(copies) else _listed([each.topic.name for each in found])

    if stopped := [each for each in copies if each.in_sync < max(1, needed(each))]:
        finding = f"{named(stopped)} cannot be written: too few copies are in sync; {brokers} brokers answer."
        return Check("copies", Verdict.LIMIT, finding, "Start the brokers that are down.")
    if behind := [each for each in copies if each.in_sync < each.replicas]:
        finding = f"{named(behind)}: a copy is not in sync; {brokers} brokers answer."
        return Check("copies", Verdict.NEAR, finding, "Start the broker that is down, or wait until it has caught up.")
    if single := [each for each in copies if each.replicas == 1]:
        finding = f"{named(single)} have one copy: with its broker, records are lost."
        return Check(
            "copies", Verdict.NEAR, finding, "In production use 3 brokers and 3 copies (kafka-reassign-partitions)."
        )
    if weak := [each for each in copies if needed(each) == 1]:
        finding = f"{named(weak)}: a record counts as written when one broker has it."
        return Check("copies", Verdict.NEAR, finding, "Set min.insync.replicas = 2 (kafka-configs).")
    if strict := [each for each in copies if needed(each) == each.replicas]:
        finding = f"{named(strict)}: nothing can be written while one broker is down."
        return Check(
            "copies", Verdict.NEAR, finding, "Set min.insync.replicas to one less than the copies (kafka-configs)."
        )
    least = min(copies, key=lambda each: each.replicas)
    return Check(
        "copies", Verdict.OK, f"{least.replicas}, of which {needed(least)} must be in sync; {brokers} brokers."
    )


def check_topic_settings(copies: Sequence[TopicCopy]) -> Check:
    """Return whether topics have the settings that `servicecert topics create` gives; copies are checked apart."""
    different = [
        f"{each.topic.name}: {name} is {each.settings.get(name)}, not {value}"
        for each in copies
        for name, value in each.topic.config.items()
        if name != "min.insync.replicas" and each.settings.get(name) != value
    ]
    if different:
        remedy = "Correct it with kafka-configs, unless it is meant."
        return Check("topic settings", Verdict.NEAR, f"{_listed(different, '; ')}.", remedy)
    return Check("topic settings", Verdict.OK, "As `servicecert topics create` makes them.")


def check_crls(passes: Sequence[CrlPass]) -> Check:
    """Return whether a revocation is on a CRL within 60 s: it waits for the pass in progress, then for its own."""
    if not passes:
        return Check("CRLs", Verdict.OK, "None is published yet.")
    slowest = max(passes, key=lambda each: each.seconds)
    worst = 2 * slowest.seconds
    finding = (
        f"The last pass of {slowest.issuer}, {slowest.entries} entries, took {slowest.seconds:.1f} s: "
        f"a revocation waits {worst:.1f} s at most."
    )
    if worst < LIMIT_SECONDS / 2:
        return Check("CRLs", Verdict.OK, finding)
    verdict = Verdict.LIMIT if worst > LIMIT_SECONDS else Verdict.NEAR
    return Check(
        "CRLs", verdict, finding, "More revokers do not help: a faster disk, storage or PostgreSQL, or a new CA."
    )


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    """Return the first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return separator.join(names[:3]) + more
