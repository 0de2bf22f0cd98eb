"""What the services have signed and published, against their tables: the audit's checkpoints, and the topics."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from servicecert_schemas.principals import Principal
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.checkpoints import Checkpoint, Signed, fingerprint, signature_fault
from servicecert_worker.core.broker_acls import Acl, AclOperation, AclResource, acls
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.service_keys import TrustedKeys, read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.core.unknown import Unknown, by_topic
from servicecert_worker.kafka.outputs import Outputs
from servicecert_worker.kafka.reading import part_reader

from ..domain.audit import Checkpoints, Link, check_audit_checkpoints
from ..domain.database import check_fence
from ..sources import Look, Sources, setting
from . import QUERIES
from .database import in_schema

_LOOKED_AT = 100
"""How many of the newest checkpoints of each service."""


async def checkpoints(sources: Sources) -> list[Checkpoints]:
    """Return each service's newest checkpoints, and how the rows fit to the last one."""
    try:
        keys = read_public_keys(Path(os.environ["SERVICECERT_SERVICE_KEYS"]))
    except (KeyError, OperatorError):
        # `ServiceKeys` says so.
        keys = {}
    return [await _checkpoints(sources, service, keys) for service in SERVICES]


async def _checkpoints(sources: Sources, service: str, keys: TrustedKeys) -> Checkpoints:
    rows = await in_schema(sources, service, QUERIES["checkpoints"], _LOOKED_AT)
    has_key = any(service in key.services for key in keys.values())
    links, last = [], None
    for number, body, key_id, signature in reversed(rows):
        last = Checkpoint.read(body)
        signed = signature_fault(service, keys, Signed(number, body, key_id, signature)) is None
        links.append(Link(number, fingerprint(body), last.previous, signed if has_key else None))
    if last is None:
        return Checkpoints(service, ())
    chains = list(last.heads)
    heads = await in_schema(sources, service, QUERIES["heads"], chains, [last.heads[chain].seq for chain in chains])
    changed = [str(row["chain"]) for row in heads if row["hash"] != last.heads[row["chain"]].hash]
    return Checkpoints(service, tuple(links), tuple(changed))


async def unknown(sources: Sources) -> Sequence[tuple[str, Sequence[Unknown]]]:
    """Return what each service has written that its tables do not know. Raises Stopped, OperatorError."""
    kafka = await sources.kafka()
    await sources.database()
    verifier = Verifier(read_public_keys(Path(setting("SERVICECERT_SERVICE_KEYS"))), kafka.cluster.prefix)
    found = []
    async with part_reader(kafka.cluster) as reader:
        for service in SERVICES:
            outputs = Outputs(kafka.cluster, service, verifier, may_read=_may_read)
            seen, _ = await outputs.unknown(reader, partial(in_schema, sources, service))
            found.append((service, by_topic(seen, own=True)))
    return found


def _may_read(topic: str) -> bool:
    return Acl(AclResource.TOPIC, topic, AclOperation.READ) in acls()[Principal.OPERATOR]


LOOKS = {"AuditCheckpoints": Look(checkpoints, check_audit_checkpoints), "Fence": Look(unknown, check_fence)}
