"""What the tables of the audit say."""

import os
from pathlib import Path

import asyncpg
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.checkpoints import Checkpoint, fingerprint, is_signed
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.service_keys import TrustedKeys, read_public_keys

from ..domain.audit import Checkpoints, Link, check_audit_checkpoints
from ..sources import Look, Sources
from . import QUERIES
from .database import in_schema

_LOOKED_AT = 100
"""How many of the newest checkpoints of each service."""


async def checkpoints(sources: Sources) -> list[Checkpoints]:
    """Return each service's newest checkpoints, and how the rows fit to the last one."""
    keys = _keys()
    return [await _checkpoints(sources, service, keys) for service in SERVICES]


async def _checkpoints(sources: Sources, service: str, keys: TrustedKeys) -> Checkpoints:
    rows = await in_schema(sources, service, QUERIES["checkpoints"], _LOOKED_AT)
    links, last = [], None
    for row in reversed(rows):
        last = Checkpoint.read(row["body"])
        links.append(Link(row["number"], fingerprint(row["body"]), last.previous, _is_signed(row, service, keys)))
    if last is None:
        return Checkpoints(service, ())
    chains = list(last.heads)
    heads = await in_schema(sources, service, QUERIES["heads"], chains, [last.heads[chain].seq for chain in chains])
    changed = [str(row["chain"]) for row in heads if row["hash"] != last.heads[row["chain"]].hash]
    return Checkpoints(service, tuple(links), tuple(changed))


def _is_signed(row: asyncpg.Record, service: str, keys: TrustedKeys) -> bool | None:
    """Return whether a key of the service signed a checkpoint; None where we have no key of it."""
    if not any(service in key.services for key in keys.values()):
        return None
    key = keys.get(row["key_id"])
    return key is not None and service in key.services and is_signed(row["body"], row["signature"], key.key)


def _keys() -> TrustedKeys:
    """Return the services' public keys; none where SERVICECERT_SERVICE_KEYS names none, which `ServiceKeys` says."""
    try:
        return read_public_keys(Path(os.environ["SERVICECERT_SERVICE_KEYS"]))
    except (KeyError, OperatorError):
        return {}


LOOKS = {"AuditCheckpoints": Look(checkpoints, check_audit_checkpoints)}
