"""All checks, in the order in which they are shown, each with what it asks."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from . import sources
from .domain import (
    audit,
    authority,
    backlog,
    configuration,
    database,
    fence,
    groups,
    kafka,
    mail,
    registers,
    revocation,
    table_locks,
    topics,
)
from .domain.check import Examination
from .domain.database import Connections
from .facts import audit as audit_facts
from .facts import authority as authority_facts
from .facts import database as database_facts
from .facts import fence as fence_facts
from .facts import groups as group_facts
from .facts import kafka as kafka_facts
from .facts import machine, web
from .facts import mail as mail_facts
from .facts import registers as register_facts
from .sources import Sources

F = TypeVar("F")


@dataclass(frozen=True)
class Line(Generic[F]):
    """A check, where its facts are asked, and what has to be set or permitted for it."""

    check: Examination[F]
    ask: Callable[[Sources], Coroutine[Any, Any, F]]
    needs: str


async def _connections(asked: Sources) -> Connections:
    return await database_facts.connections(asked, await group_facts.workers(asked))


_KAFKA, _DATABASE, _CA = "Kafka", "PostgreSQL", "`SERVICECERT_CA_DIR`"
_WEB = "PostgreSQL, or `SERVICECERT_CRL_BASE_URL` and `SERVICECERT_CA_DIR`"
_SMTP = "`SMTP_HOST`, `SERVICECERT_MAIL_FROM`"
_NOTHING = ""

_ALL: tuple[Line[Any], ...] = (
    Line(kafka.check_kafka, sources.kafka_reached, _KAFKA),
    Line(kafka.check_broker_versions, kafka_facts.levels, _KAFKA),
    Line(kafka.check_brokers, kafka_facts.brokers, _KAFKA),
    Line(kafka.check_broker_clock, kafka_facts.clock, "Kafka, as a user that may describe the cluster"),
    Line(kafka.check_broker_rights, kafka_facts.rights, "Kafka; all users' rights as its administrator"),
    Line(topics.check_topics, kafka_facts.copies, _KAFKA),
    Line(topics.check_partitions, kafka_facts.present_copies, _KAFKA),
    Line(topics.check_topic_settings, kafka_facts.present_copies, _KAFKA),
    Line(topics.check_replication, kafka_facts.present_copies, _KAFKA),
    Line(topics.check_min_in_sync, kafka_facts.present_copies, _KAFKA),
    Line(groups.check_workers, group_facts.groups, _KAFKA),
    Line(groups.check_assignment, group_facts.groups, _KAFKA),
    Line(groups.check_owners, group_facts.groups, _KAFKA),
    Line(groups.check_idle_workers, group_facts.groups, _KAFKA),
    Line(groups.check_group_clients, group_facts.groups, _KAFKA),
    Line(groups.check_worker_versions, group_facts.worker_versions, "Kafka, PostgreSQL"),
    Line(groups.check_offsets, group_facts.offsets, _KAFKA),
    Line(groups.check_unreadable, group_facts.unreadable, _KAFKA),
    Line(groups.check_lag, group_facts.lags, _KAFKA),
    Line(database.check_database, sources.database_reached, _DATABASE),
    Line(database.check_database_version, database_facts.version, _DATABASE),
    Line(database.check_database_link, database_facts.link, _DATABASE),
    Line(database.check_locks, database_facts.locks, _DATABASE),
    Line(database.check_connections, _connections, _DATABASE),
    Line(database.check_durability, database_facts.durability, _DATABASE),
    Line(database.check_vacuum, database_facts.vacuum, _DATABASE),
    Line(table_locks.check_table_locks, database_facts.kept_locks, _DATABASE),
    Line(database.check_transactions, database_facts.oldest_transaction, "PostgreSQL, as a member of `pg_monitor`"),
    Line(database.check_database_clock, database_facts.clock, _DATABASE),
    Line(database.check_database_disk, database_facts.disk, "PostgreSQL on this machine, as a member of `pg_monitor`"),
    Line(database.check_migrations, database_facts.migrations, _DATABASE),
    Line(database.check_database_rights, database_facts.roles, _DATABASE),
    Line(fence.check_fence, fence_facts.unknown, "Kafka, PostgreSQL, `SERVICECERT_SERVICE_KEYS`"),
    Line(authority.check_ca, authority_facts.cas, _CA),
    Line(authority.check_ca_validity, authority_facts.usable_cas, _CA),
    Line(authority.check_ca_profiles, authority_facts.promises, _CA),
    Line(authority.check_ca_keys, authority_facts.keys, f"{_CA}, and the passphrases or PINs of the issuer"),
    Line(authority.check_trial_ca, authority_facts.usable_cas, _CA),
    Line(authority.check_root_crl, authority_facts.root_crls, _CA),
    Line(revocation.check_crl, web.crls, _WEB),
    Line(revocation.check_ocsp, web.ocsp, _DATABASE),
    Line(revocation.check_aia, web.aia, _WEB),
    Line(revocation.check_crl_passes, web.passes, _DATABASE),
    Line(revocation.check_revocations, web.open_revocations, _DATABASE),
    Line(revocation.check_crl_disk, database_facts.crl_disk, "`SERVICECERT_CRL_DIR`"),
    Line(mail.check_mail_server, mail_facts.conversations, _SMTP),
    Line(mail.check_mail_login, mail_facts.conversations, f"{_SMTP}, `SMTP_USERNAME`"),
    Line(mail.check_mails, mail_facts.deferred, _DATABASE),
    Line(registers.check_registers, register_facts.registers, _KAFKA),
    Line(registers.check_key_lists, register_facts.key_lists, "`SERVICECERT_KEY_LISTS_DIR`"),
    Line(backlog.check_parked, database_facts.backlogs, _DATABASE),
    Line(backlog.check_deadlines, database_facts.backlogs, _DATABASE),
    Line(backlog.check_intents, database_facts.backlogs, _DATABASE),
    Line(backlog.check_outbox, database_facts.backlogs, _DATABASE),
    Line(backlog.check_stopped, database_facts.stopped, _DATABASE),
    Line(audit.check_audit_attested, audit_facts.attested, _DATABASE),
    Line(
        audit.check_audit_checkpoints, audit_facts.checkpoints, "PostgreSQL; signatures with `SERVICECERT_SERVICE_KEYS`"
    ),
    Line(configuration.check_variables, machine.variables, _NOTHING),
    Line(configuration.check_settings, machine.settings_faults, _NOTHING),
    Line(configuration.check_insecure, machine.insecure, _NOTHING),
    Line(configuration.check_trials, machine.trials, _NOTHING),
    Line(configuration.check_secret_files, machine.secret_files, _NOTHING),
    Line(configuration.check_service_keys, machine.service_keys, "`SERVICECERT_SERVICE_KEYS`"),
    Line(configuration.check_time_zone, machine.time_zones, _NOTHING),
    Line(configuration.check_python, machine.python, _NOTHING),
    Line(configuration.check_packages, machine.packages, _NOTHING),
)

CATALOGUE = MappingProxyType({line.check.name: line for line in _ALL})
"""The checks by name."""

_LATE = frozenset({"lag", "deadlines", "intents", "outbox", "revocations", "mails", "audit-attested"})
_DECIDED = frozenset({"workers", "assignment", "owners", "parked", "stopped", "ocsp"})
CAUSES = MappingProxyType({"fence": _LATE | _DECIDED, "table-locks": _LATE})
"""What has to be mended first, and the checks that then have no remedy of their own.

On a restored database no worker may start, and what its tables say is not to be acted on.
"""
