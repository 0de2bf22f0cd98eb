"""The brokers: whether they answer, and what they allow."""

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, replace

from servicecert_schemas.broker import Principal
from servicecert_worker.core.broker_acls import IMPLYING_DESCRIBE, Acl, AclOperation, AclResource, acls

from ....faults import listed
from .check import Finding, critical, ok, warning

SLOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class BrokerRights:
    """Rights that differ from the catalogue's, one phrase each; of all users, or of ours only (`whose`)."""

    whose: str
    surplus: Sequence[str] = ()
    missing: Sequence[str] = ()


def check_reached(opened: tuple[object, tuple[str, float]]) -> Finding:
    _, (place, seconds) = opened
    text = f"It answers at {place} after {seconds * 1000:.0f} ms."
    return warning(text, "Look at its load, and at the network to it.") if seconds >= SLOW_SECONDS else ok(text)


def check_brokers(facts: tuple[Set[int], Set[int], Sequence[str]]) -> Finding:
    """Judge the brokers that answer, those that topics name as holders of copies, and partitions without a leader."""
    alive, holders, leaderless = facts
    if leaderless:
        text = f"No broker leads {listed(leaderless)}."
        return critical(text, "Start the brokers that hold these partitions.")
    if down := sorted(holders - alive):
        return warning(f"Down: broker {listed(down)}.", "Start it; see its log.")
    return ok(f"None is missing; those that are up: {len(alive)}.")


def check_broker_rights(rights: BrokerRights) -> Finding:
    if rights.missing:
        text = f"{rights.whose}: missing {listed(rights.missing)}."
        return critical(text, "Run `servicecert topics acls --apply` as the broker's administrator.")
    if rights.surplus:
        text = f"{rights.whose}: allowed beyond the catalogue {listed(rights.surplus)}."
        return warning(text, "Remove it with kafka-acls.sh --remove; `servicecert topics acls` prints what is needed.")
    return ok(f"{rights.whose}: the rights are as `servicecert topics acls` gives them.")


def compared(allowed: Iterable[tuple[str, Acl]], prefix: str, everything: Collection[str]) -> BrokerRights:
    """Compare all users' rights at the broker that concern our topics and groups with the catalogue's (F4).

    `everything` are the full names of our topics. A user is ours by its name, or by the CN of its certificate, also
    after our topics' prefix: `rehearsal-issuer` or `rehearsal.issuer`.
    """
    wanted = acls(prefix=prefix)
    found = [(user, _principal(user, prefix), acl) for user, acl in allowed if _concerns(acl, prefix, everything)]
    surplus = [
        f"{user} {acl.operation} on {acl.name}"
        for user, ours, acl in found
        if not any(_is_part(acl, each) for each in (wanted[ours] if ours else ()))
    ]
    missing = [
        f"{principal} {acl.operation} on {acl.name}"
        for principal, needed in wanted.items()
        for acl in sorted(needed)
        if not any(ours is principal and _gives(each, acl) for _, ours, each in found)
    ]
    return BrokerRights("All users", tuple(sorted(surplus)), tuple(missing))


def _concerns(acl: Acl, prefix: str, topics: Collection[str]) -> bool:
    names = topics if acl.resource is AclResource.TOPIC else [prefix + principal for principal in Principal]
    if acl.prefixed:
        return any(name.startswith(acl.name) for name in names)
    return acl.name == "*" or acl.name in names


def _principal(user: str, prefix: str) -> Principal | None:
    name = user.removeprefix("User:").partition(",")[0].removeprefix("CN=")
    names = name.removeprefix(prefix), name.removeprefix(prefix.replace(".", "-"))
    return next((principal for principal in Principal if principal in names), None)


def _is_part(acl: Acl, of: Acl) -> bool:
    return replace(acl, operation=of.operation) == of and _implies(of.operation, acl.operation)


def _gives(acl: Acl, needed: Acl) -> bool:
    if acl.prefixed:
        covers = needed.name.startswith(acl.name)
    else:
        covers = acl.name == "*" or (acl.name == needed.name and not needed.prefixed)
    return covers and acl.resource is needed.resource and _implies(acl.operation, needed.operation)


def _implies(operation: AclOperation, other: AclOperation) -> bool:
    implied = other is AclOperation.DESCRIBE and operation in IMPLYING_DESCRIBE
    return implied or operation in (other, AclOperation.ALL)
