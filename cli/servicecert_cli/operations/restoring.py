"""Brings a service's tables forward by its journal, after a restore to an earlier moment."""

import os
from collections.abc import Sequence
from pathlib import Path

from aiokafka.errors import KafkaError
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.clients import broker_refused
from servicecert_worker.kafka.journal import JournalTopic
from servicecert_worker.kafka.reading import part_reader
from servicecert_worker.runtime.restoring import Forward, bring_forward
from servicecert_worker.runtime.settings import WorkerSettings
from servicecert_worker.storage import admission, database

from ..admin import groups
from ..connections import kafka
from ..connections.schema import opened


async def run(service: str, folders: Sequence[Path], settings: WorkerSettings, *, act: bool) -> Forward:
    """Return what the tables lack, and with `act` store it. Raises OperatorError, also while workers run."""
    cluster, url = settings.cluster, settings.dsn
    await admission.check(url, service, folders)
    async with kafka.admin(cluster) as admin:
        await groups.require_stopped(admin, cluster, service)
    async with opened(url, service, patient=True) as connection:
        if not await admission.is_owner(connection, service) and act:
            raise OperatorError(
                f"This login may not change what {service} decided: set DATABASE_URL to the migrator's, which "
                "`servicecert db prepare` wrote.",
                os.EX_NOPERM,
            )
        if not await database.take_lead(connection):
            raise OperatorError(
                f"A worker of {service}, or another restore, is running: stop it. A killed one's session ends "
                f"within {database.COMMAND_SECONDS:.0f} s, that of a lost host once PostgreSQL notices "
                "(tcp_keepalives_idle).",
                os.EX_TEMPFAIL,
            )
        verifier = Verifier(read_public_keys(settings.service_keys), cluster.prefix)
        try:
            async with part_reader(cluster) as reader:
                topic = await JournalTopic.open(reader, cluster, service, verifier)
                return await bring_forward(connection, topic, act=act)
        except KafkaError:
            raise await broker_refused(cluster) from None
