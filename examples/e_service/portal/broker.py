"""The connection to Kafka, by FastStream: `cases` is read into the database, and the outbox is sent."""

import asyncio
import logging
import re
from base64 import b64decode
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from servicecert_schemas import CaseChanged, EventRefused, Record, Undecodable, decode, is_canary
from servicecert_schemas.headers import SIGNATURE, SIGNATURE_FORM, signed_bytes

from . import views
from .database import Database
from .live import Changes
from .outbox import Outbox
from .settings import Settings

GROUP = "e-service-portal"
RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


async def run(settings: Settings, database: Database, outbox: Outbox, changes: Changes) -> None:
    """Read and send for ever. After an error of the broker all is begun anew: nothing is lost, and little repeated."""
    verify = _verifier(settings.service_keys)
    while True:
        broker = _broker(settings, database, changes, verify)
        try:
            await broker.start()
            await outbox.run(partial(_publish, broker))
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("no broker error=%s", type(error).__name__)
        finally:
            await broker.stop()
        await asyncio.sleep(RETRY_SECONDS)


def _broker(settings: Settings, database: Database, changes: Changes, verify: Any) -> KafkaBroker:
    broker = KafkaBroker(
        settings.bootstrap_servers,
        security=settings.security,
        client_id="e-service",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        logger=None,
    )

    # A record is done once it is stored. The decoder does nothing: the package decodes.
    @broker.subscriber(
        "cases",
        group_id=GROUP,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=lambda _: None,
    )
    async def read(message: KafkaMessage) -> None:
        record: Any = message.raw_message
        key = record.key.decode()
        if is_canary(key):
            return
        if record.value is None:
            await views.forget(database, key)
            return
        try:
            verify(record)
            _, data = decode("cases", record.key, record.headers, record.value)
        except (Undecodable, InvalidSignature) as error:
            log.warning("record skipped key=%s offset=%s error=%s", key, record.offset, error or "its signature")
            return
        if isinstance(data, EventRefused):
            await views.store_refusal(database, data)
            changes.tell(str(data.case_id))
        elif isinstance(data, CaseChanged) and await views.store(database, data):
            changes.tell(key)

    return broker


async def _publish(broker: KafkaBroker, record: Record) -> None:
    """Publish a record, and return once all replicas in sync have it."""
    headers = {name: value.decode() for name, value in record.headers}
    await broker.publish(record.value, record.topic, key=record.key, headers=headers)


def _verifier(folder: Path | None) -> Any:
    """Return a function that raises InvalidSignature for a record that is not signed by intake; without keys, by none.

    The broker says who may write to `cases`; the signature shows who did.
    """
    if folder is None:
        return lambda _: None
    key = load_pem_public_key((folder / "intake.pub").read_bytes())
    assert isinstance(key, Ed25519PublicKey)

    def verify(record: Any) -> None:
        found = re.fullmatch(SIGNATURE_FORM, (dict(record.headers).get(SIGNATURE) or b"").decode())
        if found is None:
            raise InvalidSignature
        key.verify(b64decode(found[2]), signed_bytes("cases", record.key, record.headers, record.value))

    return verify
