"""Reads what the tables hold on a turn's items, in the turn's transaction: keys, requests, holders (D6, F2).

A turn with a certificate and one with its compromised key lock the key, so they run one after the other. These locks
follow those of the turn's own keys, sorted, so that turns never deadlock.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.event import Role
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_worker.core.decider import Connection, Event, Happened, Stored

from ..domain.authority_requests import Proposal, request_id
from ..domain.certificates import Certificate, Verified, Void
from ..domain.decide import State
from ..domain.knowledge import Knowledge
from ..domain.responders import EnrolledKey
from ..domain.status import pending_of
from . import QUERIES

log = logging.getLogger(__name__)


async def prepare(
    connection: Connection,
    happened: Sequence[Happened],
    stored: Mapping[str, Stored[State]],
    known: Knowledge,
    most_responders: int,
) -> Knowledge:
    """Return `known` with what the tables hold on the turn's items.

    Of an environment's responders, `most_responders` keys are certified in 24 hours (F5): each renews every second day.
    """
    facts = [each.facts for each in happened if isinstance(each, Event)]
    certificates = [it.certificate for it in facts if isinstance(it, Verified)]
    numbered: list[Certificate | Void] = [*certificates, *(it for it in facts if isinstance(it, Void))]
    keys = {certificate.key_sha256 for certificate in certificates}
    cases: set[str] = set()
    for request in _requests(happened, stored):
        certificate = _certificate_in(stored.get(request.key()))
        if request.reason is RevocationReason.KEY_EXPOSED and certificate is not None:
            keys.add(certificate.key_sha256)
        if request.actor.role is Role.OPERATOR:
            cases.add(request.key())
    keys |= {
        each.state.key_sha256
        for each in stored.values()
        if isinstance(each.state, Proposal) and each.state.key_sha256 is not None
    }
    requested = {
        each.key: each.data.environment.value
        for each in happened
        if isinstance(each, Event) and isinstance(each.data, ResponderRequested)
    }
    environments = {f"ocsp/{environment}" for environment in requested.values()}
    if keys or environments:
        await lock_keys(connection, keys | environments)
    if new := {key: environment for key, environment in requested.items() if key not in stored}:
        known = replace(known, over_limit=await _over_limit(connection, new, most_responders))
    if keys:
        rows = await connection.fetch(QUERIES["compromised"], list(keys))
        known = replace(known, compromised=frozenset(row["key_sha256"] for row in rows))
    if numbered:
        places = [it.issuer for it in numbered], [it.serial for it in numbered]
        rows = await connection.fetch(QUERIES["holders"], *places)
        holders = {(row["issuer"], row["serial"]): row["key"] for row in rows}
        known = replace(known, holders=MappingProxyType(holders))
    if cases:
        rows = await connection.fetch(QUERIES["confirmed"], list(cases))
        confirmed = {(request_id(row["id"], row["key"]), UUID(row["key"])): row["reason"] for row in rows}
        known = replace(known, confirmed=MappingProxyType(confirmed))
    return known


async def _over_limit(connection: Connection, new: Mapping[str, str], most: int) -> frozenset[str]:
    """Return those of the `new` responders' keys, with their environments, that are beyond the limit, with an alarm."""
    certified = {row["environment"]: row["keys"] for row in await connection.fetch(QUERIES["responders_of_a_day"])}
    over = set()
    for key, environment in new.items():
        certified[environment] = certified.get(environment, 0) + 1
        if certified[environment] > most:
            over.add(key)
    if over:
        log.error("alarm: %d more OCSP responders ask for certificates than are allowed in 24 hours", len(over))
    return frozenset(over)


async def lock_keys(connection: Connection, keys: Iterable[str]) -> None:
    await connection.execute(QUERIES["lock_keys"], list(keys))


def _certificate_in(entry: Stored[State] | None) -> Certificate | None:
    return None if entry is None or isinstance(entry.state, Proposal | EnrolledKey) else entry.state.issued


def _requests(happened: Sequence[Happened], stored: Mapping[str, Stored[State]]) -> Iterator[RevocationRequested]:
    for each in happened:
        if isinstance(each, Event) and isinstance(each.data, RevocationRequested):
            yield each.data
    for entry in stored.values():
        if not isinstance(entry.state, Proposal | EnrolledKey):
            yield from (each.request for each in pending_of(entry.state))
