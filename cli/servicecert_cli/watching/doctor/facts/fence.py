"""Whether the services' tables know what the topics have of them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from servicecert_schemas.principals import Principal
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.broker_acls import Acl, AclOperation, AclResource, acls
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.core.unknown import Unknown, by_topic
from servicecert_worker.kafka.outputs import Outputs
from servicecert_worker.kafka.reading import part_reader

from ..domain.database import check_fence
from ..sources import Look, Sources, setting
from .database import in_schema


async def unknown(sources: Sources) -> Sequence[tuple[str, Sequence[Unknown]]]:
    """Return what each service has written that its tables do not know. Raises Skip, OperatorError."""
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


LOOKS = {"Fence": Look(unknown, check_fence)}
