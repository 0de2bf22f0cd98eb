"""The brokers: whether they answer, and what they allow."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, replace

from servicecert_schemas.broker import Principal
from servicecert_worker.core.broker_acls import Acl, AclOperation, AclResource, acls

from ....faults import listed
from .check import Finding, critical, ok, warning

SLOW_SECONDS = 1.0
_ALL = "All"
_IMPLY_DESCRIBE = (AclOperation.READ, AclOperation.WRITE)


@dataclass(frozen=True, slots=True)
class Brokers:
    """The brokers that answer, those that topics name as holders of copies, and partitions without a leader."""

    alive: frozenset[int]
    named: frozenset[int]
    leaderless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """A right that the broker gives a user, by Kafka's names. `prefixed`: on all whose name begins with `name`."""

    user: str
    resource: str
    name: str
    operation: str
    prefixed: bool = False


@dataclass(frozen=True, slots=True)
class BrokerRights:
    """Rights that differ from the catalogue's, one phrase each; of all users, or of ours only (`whose`)."""

    whose: str
    surplus: Sequence[str] = ()
    missing: Sequence[str] = ()


def check_reached(reached: tuple[str, float]) -> Finding:
    place, seconds = reached
    text = f"Answers at {place} after {seconds * 1000:.0f} ms."
    return warning(text, "Look at its load, and at the network to it.") if seconds >= SLOW_SECONDS else ok(text)


def check_brokers(brokers: Brokers) -> Finding:
    if brokers.leaderless:
        text = f"No broker leads {listed(brokers.leaderless)}."
        return critical(text, "Start the brokers that hold these partitions.")
    if down := sorted(brokers.named - brokers.alive):
        return warning(f"Down: broker {listed(list(map(str, down)))}.", "Start it; see its log.")
    return ok(f"{len(brokers.alive)} up, none missing.")


def check_broker_rights(rights: BrokerRights) -> Finding:
    if rights.missing:
        text = f"{rights.whose}: missing {listed(rights.missing)}."
        return critical(text, "Run `servicecert topics acls --apply` as the broker's administrator.")
    if rights.surplus:
        text = f"{rights.whose}: allowed beyond the catalogue {listed(rights.surplus)}."
        return warning(text, "Remove it with kafka-acls.sh --remove; `servicecert topics acls` prints what is needed.")
    return ok(f"{rights.whose}: as `servicecert topics acls` gives them.")


def compared(allowed: Iterable[Allowed], prefix: str, everything: Collection[str]) -> BrokerRights:
    """Compare all rights at the broker that concern our topics and groups with the catalogue's (F4).

    `everything` are the full names of our topics. A user is ours by its name, or by the CN of its certificate.
    """
    wanted = acls(prefix=prefix)
    found = [each for each in allowed if _concerns(each, prefix, everything)]
    surplus = [
        f"{each.user} {each.operation} on {each.name}"
        for each in found
        if not _is_wanted(each, wanted[ours] if (ours := _principal(each.user)) else ())
    ]
    missing = [
        f"{principal} {acl.operation} on {acl.name}"
        for principal, needed in wanted.items()
        for acl in sorted(needed)
        if not any(_principal(each.user) is principal and _gives(each, acl) for each in found)
    ]
    return BrokerRights("All users", tuple(sorted(surplus)), tuple(missing))


def _concerns(allowed: Allowed, prefix: str, topics: Collection[str]) -> bool:
    names = topics if allowed.resource == AclResource.TOPIC else [prefix + principal for principal in Principal]
    if allowed.prefixed:
        return any(name.startswith(allowed.name) for name in names)
    return allowed.name == "*" or allowed.name in names


def _principal(user: str) -> Principal | None:
    name = user.removeprefix("User:").partition(",")[0].removeprefix("CN=")
    return next((principal for principal in Principal if principal == name), None)


def _is_wanted(allowed: Allowed, wanted: Collection[Acl]) -> bool:
    implied = {replace(acl, operation=AclOperation.DESCRIBE) for acl in wanted if acl.operation in _IMPLY_DESCRIBE}
    return (allowed.resource, allowed.name, allowed.operation, allowed.prefixed) in map(astuple, implied.union(wanted))


def _gives(allowed: Allowed, acl: Acl) -> bool:
    if allowed.prefixed:
        covers = acl.name.startswith(allowed.name)
    else:
        covers = allowed.name == "*" or (allowed.name == acl.name and not acl.prefixed)
    operations = {acl.operation, _ALL, *(_IMPLY_DESCRIBE if acl.operation is AclOperation.DESCRIBE else ())}
    return covers and allowed.resource == acl.resource and allowed.operation in operations
