"""What is broken in PostgreSQL and in the services' tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
from cli.watching.doctor.breaking import CRITICAL, UNKNOWN, WARNING, breaks
from cli.watching.doctor.installation import CA, CASE, Installation
from identities import Identities
from servicecert_cli.connections import kafka
from servicecert_cli.watching.doctor.domain import database as database_checks
from servicecert_cli.watching.doctor.facts import database as database_facts
from servicecert_launcher.ports import HOST, free_port
from servicecert_schemas.topics import journal_topic
from servicecert_worker.kafka.journal import TYPE, Number, Parts
from servicecert_worker.runtime.publishing import Outgoing, send_all

ROWS = {
    "intents": "insert into {0}.intents (id, key, kind, data, owner, since) values "
    "(gen_random_uuid(), 'case', 'sign', '', 1, now() - interval '15 minutes')",
    "changes": "insert into {0}.changes (name, keys, at) values ('events', '{{1}}', now() - interval '5 minutes')",
    "deadlines": "insert into {0}.deadlines (key, kind, id, at) values "
    "('case', 'lapse', gen_random_uuid(), now() - interval '15 minutes')",
    "parked": 'insert into {0}.parked (event_id, key, topic, partition, "offset", headers, culprit, reason, error, '
    "first_at, last_at) select gen_random_uuid(), 'case', 'applications', 0, n, '[]', n = 1, 'reason', '', now(), "
    "now() from generate_series(1, 3) as n",
}


def with_rows(it: Installation, table: str, service: str) -> Iterator[None]:
    it.execute(ROWS[table].format(service))
    yield
    it.execute(f"delete from {service}.{table}")


class Ahead(datetime):
    """A clock that is ten seconds ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.fromtimestamp(time.time() + 10, tz)


@breaks("PostgreSQL does not answer", DatabaseDown=CRITICAL)
def postgresql_is_down(it, patch, _) -> Iterator[None]:
    patch.setenv("DATABASE_URL", f"postgresql://nobody:secret@{HOST}:{free_port()}/none")
    yield


@breaks("has no free connection", DatabaseDown=CRITICAL)
def no_connection_is_left(it, *_) -> Iterator[None]:
    role = f"{it.name}_reader_doctor"
    it.execute(f"alter role {role} connection limit 0")
    yield
    it.execute(f"alter role {role} connection limit -1")


@breaks("refuses the password", DatabaseDown=CRITICAL)
def the_password_is_wrong(it, patch, _) -> Iterator[None]:
    patch.setenv("DATABASE_URL", it.environment["DATABASE_URL"].replace("@", "x@"))
    yield


@breaks("Another machine is reached with no TLS.", DatabaseLink=CRITICAL)
def the_address_is_not_this_machine_s(it, patch, _) -> Iterator[None]:
    # The kernel takes it for this machine; nothing else can know.
    patch.setenv("DATABASE_URL", it.environment["DATABASE_URL"].replace("127.0.0.1", "0.0.0.0"))
    yield


@breaks("needed: 8 for each of 4 workers", Connections=WARNING)
def others_use_most_connections(it, *__) -> Iterator[None]:
    most = int(it.fetch("select current_setting('max_connections')")[0])
    used = int(it.fetch("select count(*) from pg_stat_activity where backend_type = 'client backend'")[0])
    with ExitStack() as stack:
        for _ in range(most - used - 60):
            stack.enter_context(psycopg.connect(it.admin_url))
        yield


@breaks("Off: fsync, synchronous_commit", Durability=CRITICAL)
def commits_do_not_wait_for_the_disk(it, *_) -> Iterator[None]:
    it.execute(f"alter database {it.name} set synchronous_commit = off")
    yield
    it.execute(f"alter database {it.name} reset synchronous_commit")


@breaks("autovacuum is off for intake.inbox.", Vacuum=WARNING)
def a_table_is_not_vacuumed(it, *_) -> Iterator[None]:
    it.execute("alter table intake.inbox set (autovacuum_enabled = false)")
    yield
    it.execute("alter table intake.inbox reset (autovacuum_enabled)")


@breaks("The oldest is open for", Transactions=WARNING)
def a_transaction_stays_open(it, patch, _) -> Iterator[None]:
    patch.setattr(database_checks, "LONG_SECONDS", 0.0)
    with psycopg.connect(it.admin_url) as connection:
        connection.execute("select 1")
        yield


@breaks("intake.events is locked by ", TableLocked=CRITICAL)
def an_operator_leaves_a_table_locked(it, *_) -> Iterator[None]:
    with psycopg.connect(it.admin_url, application_name="psql") as connection:
        connection.execute("lock table intake.events")
        yield


@breaks("s behind this machine", ClockWrong=WARNING)
def the_machine_s_clock_is_ahead_of_the_database_s(it, patch, _) -> Iterator[None]:
    patch.setattr(database_facts, "datetime", Ahead)
    yield


def with_full_disk(patch, folder: str) -> Iterator[None]:
    """No file system can be filled here: what the system says of this one is changed."""
    honest = database_facts.shutil.disk_usage

    def usage(of: str) -> object:
        return SimpleNamespace(used=9_900_000_000, free=100_000_000) if of == folder else honest(of)

    patch.setattr(database_facts, "shutil", SimpleNamespace(disk_usage=usage))
    yield


@breaks("0.1 of 10.0 GB are free", CrlDisk=CRITICAL)
def the_crl_folder_is_full(it, patch, _) -> Iterator[None]:
    yield from with_full_disk(patch, str(it.crl_folder))


@breaks("0.1 of 10.0 GB are free", DatabaseDisk=CRITICAL)
def the_database_s_disk_is_full(it, patch, _) -> Iterator[None]:
    yield from with_full_disk(patch, it.fetch("select current_setting('data_directory')")[0])


@breaks("intake lacks 1.", Migrations=CRITICAL)
def a_migration_is_missing(it, *_) -> Iterator[None]:
    (kept,) = it.fetch("select migration_hash from intake._yoyo_migration limit 1")
    where = f"where migration_hash = '{kept}'"
    it.execute(f"create table public.kept as select * from intake._yoyo_migration {where}")
    it.execute(f"delete from intake._yoyo_migration {where}")
    yield
    it.execute("insert into intake._yoyo_migration select * from public.kept", "drop table public.kept")


def with_migration(it, name: str) -> Iterator[None]:
    it.execute(
        "insert into intake._yoyo_migration (migration_hash, migration_id, applied_at_utc)"
        f" values ('newer', '{name}', now())"
    )
    yield
    it.execute("delete from intake._yoyo_migration where migration_hash = 'newer'")


@breaks("Of a newer version: intake (1).", Migrations=WARNING)
def a_newer_version_expanded_a_schema(it, *_) -> Iterator[None]:
    yield from with_migration(it, "9998.column")


@breaks("A newer version took away what this one uses: intake.", Migrations=CRITICAL)
def a_newer_version_contracted_a_schema(it, *_) -> Iterator[None]:
    yield from with_migration(it, "9999.column-gone.after-9998.column")


@breaks("reads the schema issuer", DatabaseRights=CRITICAL)
def a_service_sees_another_schema(it, *_) -> Iterator[None]:
    it.execute(f"grant usage on schema issuer to {it.name}_intake")
    yield
    it.execute(f"revoke usage on schema issuer from {it.name}_intake")


@breaks("The database of revoker does not know ", Fence=CRITICAL)
def the_database_was_restored(it, *_) -> Iterator[None]:
    topic, now, id = journal_topic("revoker").name, datetime.now(UTC), uuid4()
    (value,) = Parts(Number(1, 1), [uuid4()]).end()
    signer = Identities(it.keys_folder).signer("revoker")
    signature = signer.sign(topic, "revoker", id, TYPE, value, now)
    record = Outgoing(topic, "revoker", id, TYPE, None, now, value, signature)

    async def journal() -> int:
        async with kafka.producer(it.cluster) as producer:
            (sent,) = await send_all(producer, it.cluster.prefix, signer.source, [record])
            return int(sent.offset) + 1

    end = it.do(journal())
    yield
    it.execute(f"update revoker.journal set epoch = 1, look = 1, next_offset = {end}")


@breaks("Kafka lacks what intake has sent to its journal", Fence=CRITICAL)
def kafka_was_put_back(it, *_) -> Iterator[None]:
    it.execute("update intake.journal set next_offset = 1")
    yield
    it.execute("update intake.journal set next_offset = null")


@breaks("owns issuer.own", DatabaseRights=CRITICAL)
def a_service_owns_a_table(it, *_) -> Iterator[None]:
    it.execute("create table issuer.own ()", f"alter table issuer.own owner to {it.name}_issuer")
    yield
    it.execute("drop table issuer.own")


@breaks("may change revoker.audit", DatabaseRights=CRITICAL)
def a_service_may_change_its_audit(it, *_) -> Iterator[None]:
    it.execute(f"grant delete on revoker.audit to {it.name}_revoker")
    yield
    it.execute(f"revoke delete on revoker.audit from {it.name}_revoker")


@breaks("DATABASE_URL's role may not read the tables of revoker.", CrlPasses=UNKNOWN)
def the_reader_lacks_a_right(it, *_) -> Iterator[None]:
    it.execute(f"revoke select on revoker.crls from {it.name}_readers")
    yield
    it.execute(f"grant select on revoker.crls to {it.name}_readers")


@breaks("1 records of intake are parked", Parked=WARNING)
def a_record_is_parked(it, *_) -> Iterator[None]:
    yield from with_rows(it, "parked", "intake")


@breaks("A deadline of notifier passed 15 min ago", DeadlinesLate=WARNING)
def a_deadline_is_late(it, *_) -> Iterator[None]:
    yield from with_rows(it, "deadlines", "notifier")


@breaks("issuer has not done an act for 15 min", IntentsStuck=WARNING)
def an_intent_is_old(it, *_) -> Iterator[None]:
    yield from with_rows(it, "intents", "issuer")


@breaks("revoker has decided what is not in its journal and topics for 5 min.", OutboxStuck=CRITICAL)
def an_event_is_not_published(it, *_) -> Iterator[None]:
    yield from with_rows(it, "changes", "revoker")


@breaks("1 certificates failed a check before signing", IssuingStopped=CRITICAL)
def the_linter_stopped_a_certificate(it, *_) -> Iterator[None]:
    it.execute(
        "insert into issuer.certificates (key, version, state, issuer, application, findings, begun_at) values "
        f"('stopped', 1, 'stopped', '{CA}', '{{}}', '[]', now() - interval '5 minutes')"
    )
    yield
    it.execute("delete from issuer.certificates where key = 'stopped'")


@breaks("The last pass of test-ec, 0 entries, took 20.0 s", CrlPasses=WARNING)
def crls_take_long(it, *_) -> Iterator[None]:
    it.execute(
        "insert into revoker.crls (issuer, partition, number, scheduled, allocated_at, this_update, next_update, "
        f"entries, sha256, published_at) values ('{CA}', 0, 1, false, now() - interval '20 seconds', now(), "
        "now() + interval '2 days', 0, repeat('0', 64), now())"
    )
    yield
    it.execute("delete from revoker.crls")


@breaks("is number 1; number 2 is published: later", Crl=CRITICAL)
def an_old_crl_is_served(it, *_) -> Iterator[None]:
    it.execute(
        "insert into revoker.crls (issuer, partition, number, scheduled, allocated_at, this_update, next_update, "
        f"entries, sha256, published_at) values ('{CA}', 0, 2, false, now() - interval '1 hour', now(), "
        "now() + interval '2 days', 0, repeat('0', 64), now() - interval '1 hour')"
    )
    yield
    it.execute("delete from revoker.crls")


@breaks(f"{CA}.3.crl: answers 404.", Crl=CRITICAL)
def a_crl_is_lost_that_the_newest_certificate_does_not_name(it, *_) -> Iterator[None]:
    it.execute(
        "insert into revoker.statuses (key, version, standing, issuer, serial, partition, certificate) values "
        f"('{uuid4()}', 1, 'valid', '{CA}', '0b', 3, '{{}}')",
        "insert into revoker.crls (issuer, partition, number, scheduled, allocated_at, this_update, next_update, "
        f"entries, sha256, published_at) select '{CA}', partition, 1, false, now(), now(), "
        "now() + interval '2 days', 0, repeat('0', 64), now() from unnest(array[0, 3]) as n (partition)",
    )
    yield
    it.execute("delete from revoker.crls", "delete from revoker.statuses where serial = '0b'")


@breaks("A revocation is not visible after 2 h", RevocationSlow=WARNING)
def a_revocation_is_open(it, *_) -> Iterator[None]:
    it.execute(
        "insert into revoker.statuses (key, version, standing, issuer, serial, partition, certificate) values "
        f"('open', 1, 'registered', '{CA}', 'ab', 5, '{{}}')",
        "insert into revoker.revocations (issuer, serial, partition, key, request_id, reason, requested_at, due, "
        f"revoked_at, not_after, entry) values ('{CA}', 'ab', 5, 'open', gen_random_uuid(), 'no-longer-needed', "
        "now() - interval '2 hours', now(), now(), now(), '')",
    )
    yield
    it.execute("delete from revoker.revocations where key = 'open'", "delete from revoker.statuses where key = 'open'")


@breaks("says good of 4a01, which is revoked.", Ocsp=CRITICAL)
def ocsp_does_not_know_of_a_revocation(it, *_) -> Iterator[None]:
    it.execute(f"update revoker.statuses set standing = 'revoked' where key = '{CASE}'")
    yield
    it.execute(f"update revoker.statuses set standing = 'valid' where key = '{CASE}'")


def with_mail(it: Installation, answer: str, refused_since: str = "null") -> Iterator[None]:
    it.execute(
        "insert into notifier.mails (mail_id, case_id, kind, occasion, recipient, place, planned_at, state, attempts, "
        "next_try_at, answer, refused_since) values (gen_random_uuid(), gen_random_uuid(), 'certificate-issued', '', "
        f"'orderer', 1, now() - interval '2 hours', 'deferred', 1, now(), '{answer}', {refused_since})"
    )
    yield
    it.execute("delete from notifier.mails")


@breaks("A mail waits for 2 h.", MailsWait=WARNING)
def a_mail_waits(it, *_) -> Iterator[None]:
    yield from with_mail(it, "450")


@breaks("The mail server refuses us: 1 mails wait.", MailServerRefusesUs=CRITICAL, MailsWait=WARNING)
def the_mail_server_refuses_our_login(it, *_) -> Iterator[None]:
    yield from with_mail(it, "530 5.7.0")


@breaks("The mail server refuses us: 1 mails wait.", MailServerRefusesUs=CRITICAL, MailsWait=WARNING)
def the_mail_server_refuses_us(it, *_) -> Iterator[None]:
    yield from with_mail(it, "450", "now()")


@breaks("intake on ", VersionsDiffer=WARNING)
def a_worker_has_another_version(it, *_) -> Iterator[None]:
    chain = uuid4()
    (host,) = it.fetch("select entry::jsonb -> 'begun' ->> 'host' from intake.audit limit 1")
    entry = json.dumps({"begun": {"version": "9.9", "host": host}}, separators=(",", ":"))
    it.execute(
        f"insert into intake.audit_chains (chain) values ('{chain}')",
        "insert into intake.audit (chain, seq, at, key, entry, hash) values "
        f"('{chain}', 1, now(), '', '{entry}', sha256('none'))",
    )
    yield
    it.execute(
        f"delete from intake.audit where chain = '{chain}'", f"delete from intake.audit_chains where chain = '{chain}'"
    )


@breaks("The audit of issuer is not signed for 20 min.", AuditUnsigned=WARNING)
def nobody_signs_the_audit(it, *_) -> Iterator[None]:
    chain = uuid4()
    it.execute(
        f"insert into issuer.audit_chains (chain) values ('{chain}')",
        "insert into issuer.audit (chain, seq, at, key, entry, hash) values "
        f"('{chain}', 1, now() - interval '20 minutes', '', '{{}}', sha256('none'))",
    )
    yield
    it.execute(
        f"delete from issuer.audit where chain = '{chain}'", f"delete from issuer.audit_chains where chain = '{chain}'"
    )


@breaks("notifier: checkpoint 2: the signature is invalid.", AuditCheckpoints=CRITICAL)
def a_checkpoint_is_forged(it, *_) -> Iterator[None]:
    (signature,) = it.fetch("select encode(signature, 'hex') from notifier.audit_checkpoints where number = 2")
    it.execute("update notifier.audit_checkpoints set signature = '\\x00' where number = 2")
    yield
    it.execute(f"update notifier.audit_checkpoints set signature = '\\x{signature}' where number = 2")


@breaks("revoker: rows of 1 chains differ from checkpoint 2.", AuditCheckpoints=CRITICAL)
def a_row_of_the_audit_is_changed(it, *_) -> Iterator[None]:
    where = "where chain = (select chain from revoker.audit order by at desc limit 1)"
    hash_, chain = it.fetch(f"select encode(hash, 'hex'), chain from revoker.audit {where}")
    it.execute(f"update revoker.audit set hash = sha256('changed') where chain = '{chain}'")
    yield
    it.execute(f"update revoker.audit set hash = '\\x{hash_}' where chain = '{chain}'")
