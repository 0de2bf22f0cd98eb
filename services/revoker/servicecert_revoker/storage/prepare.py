"""Reads a turn's compromised keys and confirmed requests from the database, in the turn's transaction (D6).

A turn with a certificate and one with its compromised key lock the key, so they run one after the other. These locks
follow those of the turn's own keys, sorted, so that turns never deadlock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_worker.decider import Connection, Event, Happened, Stored

from ..domain.decide import State
from ..domain.knowledge import Knowledge
from ..domain.status import Certificate, certificate_of, pending_of
from ..proposals.domain.proposal import Proposal, request_id
from . import QUERIES


async def prepare(
    connection: Connection, happened: Sequence[Happened], stored: Mapping[str, Stored[State]], known: Knowledge
) -> Knowledge:
    """Return `known` with the turn's compromised keys and its requests that two operators confirmed."""
    keys: set[str] = set()
    cases: set[str] = set()
    for each in happened:
        if isinstance(each, Event) and isinstance(each.data, CertificateIssued):
            keys.add(each.data.key_sha256)
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
    if keys:
        await lock_keys(connection, keys)
        rows = await connection.fetch(QUERIES["compromised"], list(keys))
        known = replace(known, compromised=frozenset(row["key_sha256"] for row in rows))
    if cases:
        rows = await connection.fetch(QUERIES["confirmed"], list(cases))
        confirmed = {(request_id(row["id"], row["key"]), UUID(row["key"])): row["reason"] for row in rows}
        known = replace(known, confirmed=MappingProxyType(confirmed))
    return known


async def lock_keys(connection: Connection, keys: Iterable[str]) -> None:
    """Lock keys until the transaction ends, in the order of their locks."""
    await connection.execute(QUERIES["lock_keys"], list(keys))


def _certificate_in(entry: Stored[State] | None) -> Certificate | None:
    return None if entry is None or isinstance(entry.state, Proposal) else certificate_of(entry.state)


def _requests(happened: Sequence[Happened], stored: Mapping[str, Stored[State]]) -> Iterator[RevocationRequested]:
    """Yield the requests of this turn, and the pending ones of its cases."""
    for each in happened:
        if isinstance(each, Event) and isinstance(each.data, RevocationRequested):
            yield each.data
    for entry in stored.values():
        if not isinstance(entry.state, Proposal):
            yield from (each.request for each in pending_of(entry.state))
