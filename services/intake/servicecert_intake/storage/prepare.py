"""The table of all keys: asked before an application is decided, and written with what was decided (A4).

A turn records the keys of its pending requests before it decides, which locks their rows. So of two organisations that apply with one key at the same
time, in whatever workers, the second sees the first one's acceptance.
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from servicecert_pki.csr import public_key_info
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.case import CaseState
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.decider import Conflict, Connection, Event, Happened, Stored

from ..domain.case import Case
from ..domain.examine import Received
from ..domain.knowledge import Knowledge
from ..domain.rules.application import Blocked, JudgedCsr, KeyRecord
from . import QUERIES


async def prepare(
    connection: Connection, happened: Sequence[Happened], stored: Mapping[str, Stored[Case]], known: Knowledge
) -> Knowledge:
    """What is known, with what the table says of the keys of all requests that this turn may decide on.

    Keys that are told as compromised are blocked first, so that the turn's own requests find them so (D6).
    """
    told = (each.data for each in happened if isinstance(each, Event))
    if lost := sorted({data.key_sha256 for data in told if isinstance(data, KeyCompromised)}):
        await connection.execute(QUERIES["keep_keys"], lost, [None] * len(lost), [Blocked.COMPROMISED] * len(lost))
    seen = {key: spki for csr in _pending(happened, stored) for key, spki in _key_of(csr)}
    if not seen:
        return known
    order = sorted(seen)
    rows = await connection.fetch(QUERIES["see_keys"], order, [seen[key] for key in order])
    records = {
        row["key_sha256"]: KeyRecord(row["business_id"], None if row["blocked"] is None else Blocked(row["blocked"]))
        for row in rows
    }
    return replace(known, keys=records)


async def keep(connection: Connection, changed: Sequence[Stored[Case]]) -> None:
    """Records whose key each accepted request has, and blocks exposed keys (D6).

    Raises `Conflict` where two organisations of this turn come with the same key, or one with a key that is found exposed: taken one after the
    other, the second is returned.
    """
    owners: dict[str, str | None] = {}
    exposed: set[str] = set()
    for case in (each.state for each in changed):
        if case.key is None or case.grant is None:
            continue
        key, owner = case.key.sha256, case.grant.subject.business_id
        if case.state is CaseState.ACCEPTED and owners.setdefault(key, owner) != owner:
            raise Conflict("Two organisations were accepted with one key.")
        if case.revocation is not None and case.revocation.reason is RevocationReason.KEY_EXPOSED:
            exposed.add(key)
    if exposed & owners.keys():
        raise Conflict("A key was accepted and found exposed in one turn.")
    if keys := sorted(owners.keys() | exposed):
        blocked = [Blocked.COMPROMISED if key in exposed else None for key in keys]
        await connection.execute(QUERIES["keep_keys"], keys, [owners.get(key) for key in keys], blocked)


def _pending(happened: Iterable[Happened], stored: Mapping[str, Stored[Case]]) -> Iterator[JudgedCsr]:
    """The requests that came in this turn, and those of its cases that are not accepted yet."""
    for each in happened:
        if isinstance(each, Event) and isinstance(each.facts, Received) and each.facts.csr is not None:
            yield each.facts.csr
    for entry in stored.values():
        if entry.state.csr is not None:
            yield entry.state.csr
        yield from (waiting.csr for waiting in entry.state.waiting if waiting.csr is not None)


def _key_of(csr: JudgedCsr) -> Iterator[tuple[str, bytes | None]]:
    """The key of a request that was judged good, and its SubjectPublicKeyInfo where it is RSA."""
    if csr.key is not None and csr.der is not None:
        yield csr.key.sha256, public_key_info(b64decode(csr.der)) if csr.key.family == KeyFamily.RSA else None
