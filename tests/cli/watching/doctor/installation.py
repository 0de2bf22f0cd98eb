"""A healthy installation for the doctor: real Kafka and PostgreSQL, a CA, web servers and a mail server, no process.

Its workers are members of the groups, with audit chains that are signed. Everything runs in a thread, so that a test
can break a part and look with the doctor meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import threading
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import psycopg
from aiokafka import AIOKafkaConsumer
from crls import build_crl
from cryptography.hazmat.primitives.asymmetric import ec
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.operations.broker_identities import TrialCa
from servicecert_cli.operations.operators import add_reader, prepare_logins
from servicecert_cli.registers.loading import publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.service import MIGRATIONS as INTAKE
from servicecert_issuer.service import MIGRATIONS as ISSUER
from servicecert_notifier.service import MIGRATIONS as NOTIFIER
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.certificate import AlternativeNames, Contents, Subject, build_tbs, sign_tbs
from servicecert_pki.identity import trial
from servicecert_pki.keyring import open_keys, read_passphrases
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import crl_name
from servicecert_pki.profile import Usage
from servicecert_pki.profiles import load_profiles
from servicecert_pki.spki import spki_of, spki_sha256
from servicecert_revoker.ocsp.effects.server import serve as serve_ocsp
from servicecert_revoker.service import MIGRATIONS as REVOKER
from servicecert_revoker.serving import crl_server
from servicecert_schemas.topics import CATALOGUE, FOLLOWED, SERVICES
from servicecert_worker.audit.chain import Chain
from servicecert_worker.audit.checkpoints import Attestor
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.service_keys import make_keys, read_key
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime.members import member_name
from servicecert_worker.storage import database, schema
from services.notifier.smtp_script import Script
from services.revoker.ocsp_stand import GOOD, answering

T = TypeVar("T")
CA = "test-ec"
CASE = "6d1f3c1c-8a4d-4b59-9d0a-6d3b0c7f5e21"
MIGRATIONS = {"intake": INTAKE, "issuer": ISSUER, "revoker": REVOKER, "notifier": NOTIFIER}


class Installation:
    """`environment` is what the doctor is given. `do` runs a coroutine where the servers run."""

    def __init__(self, folder: Path, cluster: Cluster, admin_url: str, authority: Path) -> None:
        self.folder, self.cluster, self.admin_url = folder, cluster, admin_url
        self.ca_folder = folder / "ca"
        shutil.copytree(authority, self.ca_folder)
        shutil.copytree(offline_folder(authority), offline_folder(self.ca_folder))
        shutil.copy(authority.with_name("ca.passphrases"), folder / "ca.passphrases")
        self.passphrases = read_passphrases(folder / "ca.passphrases")
        self.authority = Authority.load(self.ca_folder)
        self.ca_keys: Mapping[str, SigningKey] = open_keys(self.authority, self.passphrases)
        self.crl_folder = folder / "crls"
        self.crl_folder.mkdir()
        self.keys_folder = folder / "service-keys"
        make_keys(self.keys_folder, SERVICES)
        self.lists = folder / "lists"
        self.lists.mkdir()
        (self.lists / "ours.dat").write_bytes(bytes(16))
        self.mail = Script(answers={"AUTH": "235 2.7.0 Ok"}, offers=("AUTH PLAIN LOGIN",))
        self.workers: dict[str, AIOKafkaConsumer] = {}
        self.environment: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()

    @property
    def name(self) -> str:
        """The database's name, with which its roles begin."""
        return urlsplit(self.admin_url).path[1:]

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def do_all(self, works: Iterable[Coroutine[Any, Any, object]]) -> None:
        async def at_once() -> None:
            await asyncio.gather(*works)

        self.do(at_once())

    def reader(self) -> str:
        """Return the URL of a reader that sees what PostgreSQL tells monitoring."""
        url = add_reader(self.admin_url, "doctor")
        self.execute(f"grant pg_monitor to {self.name}_reader_doctor")
        return url

    def execute(self, *statements: str) -> None:
        """Run statements as the administrator, without triggers: the books are to be falsified."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())

    def fetch(self, statement: str) -> tuple[Any, ...]:
        with psycopg.connect(self.admin_url) as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row

    @contextmanager
    def running(self) -> Iterator[Installation]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            self.do(self._open())
            yield self
        finally:
            self.do(self._stack.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _open(self) -> None:
        await create_topics(self.cluster, CATALOGUE)
        await self.load_registers()
        await asyncio.gather(*(self.start_worker(service) for service in SERVICES))
        self._stack.push_async_callback(self._stop_workers)
        urls = await asyncio.to_thread(self._prepare)
        for service in SERVICES:
            await self._audit(service, urls[service])
        self.crl_url = await self.start_crls()
        self.ocsp_url = await self.start_ocsp()
        certificate = self._certificate()
        await asyncio.to_thread(self._publish)
        await asyncio.to_thread(self._record, certificate)
        smtp = await self._mail_server()
        (authority := self.folder / "authority.toml").write_text(trial(self.crl_url, self.ocsp_url))
        self.environment = {
            **self.cluster.environment,
            "DATABASE_URL": await asyncio.to_thread(self.reader),
            "SERVICECERT_INSECURE": "broker",
            "SERVICECERT_CA_DIR": str(self.ca_folder),
            "SERVICECERT_CA_PASSPHRASE_FILE": str(self.folder / "ca.passphrases"),
            "SERVICECERT_CRL_DIR": str(self.crl_folder),
            "SERVICECERT_SERVICE_KEYS": str(self.keys_folder),
            "SERVICECERT_KEY_LISTS_DIR": str(self.lists),
            "SERVICECERT_AUTHORITY_FILE": str(authority),
            **smtp,
        }

    async def load_registers(self) -> None:
        await publish_entries(self.cluster, await asyncio.to_thread(list, read_register(FICTITIOUS_REGISTERS)))

    async def start_worker(self, service: str, name: str = "", topics: int | None = None, **options: Any) -> None:
        """Join a service's group as a worker does, or as another client; `topics` limits how many topics it reads."""
        group = self.cluster.group(service)
        read = [self.cluster.name(each) for each in CATALOGUE if service in each.readers and each not in FOLLOWED]
        consumer = AIOKafkaConsumer(
            *read[:topics],
            bootstrap_servers=self.cluster.bootstrap,
            group_id=group,
            client_id=options.pop("client_id", member_name(group)),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=100,
            **options,
        )
        self.workers[name or service] = consumer
        await consumer.start()

    async def stop_worker(self, name: str) -> None:
        await self.workers.pop(name).stop()

    async def settled(self) -> None:
        """Wait until each service's workers have all its partitions again."""
        for service in SERVICES:
            own = [worker for name, worker in self.workers.items() if name.startswith(service)]
            sizes = {
                self.cluster.name(each): each.partitions
                for each in CATALOGUE
                if service in each.readers and each not in FOLLOWED
            }
            while Counter(part.topic for worker in own for part in worker.assignment()) != sizes:  # noqa: ASYNC110  -- Kafka's
                await asyncio.sleep(0.02)

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers.values()))

    def _prepare(self) -> Mapping[str, str]:
        urls = schema.prepare(self.admin_url, {service: database.new_password() for service in SERVICES})
        for service, folder in MIGRATIONS.items():
            schema.migrate(self.admin_url, service, [folder])
        with psycopg.connect(self.admin_url) as connection:
            prepare_logins(connection)
        return urls

    async def _audit(self, service: str, url: str) -> None:
        """Begin a worker's chain, and sign checkpoints of it and of a second one."""
        async with asyncpg.create_pool(url, min_size=1, max_size=2, **database.connection_options(service)) as pool:
            attestor = Attestor(service, pool, read_key(self.keys_folder / f"{service}.key", service), machine_clock)
            for _ in range(2):
                await Chain(service, {}, os.urandom).begin(pool, machine_clock())
                assert await attestor.attest()
        self.execute(f"delete from {service}.changes")

    async def start_crls(self, port: int = 0) -> str:
        self._crls = AsyncExitStack()
        self._stack.push_async_callback(self._crls.aclose)
        return await self._crls.enter_async_context(crl_server.serve(self.crl_folder, "127.0.0.1", port))

    async def stop_crls(self) -> None:
        await self._crls.aclose()

    async def start_ocsp(self, port: int = 0) -> str:
        self._ocsp = AsyncExitStack()
        self._stack.push_async_callback(self._ocsp.aclose)
        answers = answering(self.authority, self.ca_keys, datetime.now(UTC))
        served = serve_ocsp(answers.answer, machine_clock, 30, "127.0.0.1", port)
        return await self._ocsp.enter_async_context(served)

    async def stop_ocsp(self) -> None:
        await self._ocsp.aclose()

    def _certificate(self) -> tuple[bytes, str]:
        spki = spki_of(ec.generate_private_key(ec.SECP384R1()).public_key())
        now = datetime.now(UTC).replace(microsecond=0)
        contents = Contents(
            profile=load_profiles()["test-server"],
            issuer=self.authority.issuer(CA),
            subject=Subject("Apteekki Oy", "Apteekki", "0204819-8", "kanta.example.fi"),
            names=AlternativeNames(("kanta.example.fi",)),
            usages=frozenset({Usage.SERVER_AUTH}),
            spki=spki,
            serial=GOOD,
            not_before=now,
            not_after=now + timedelta(days=30),
            crl_url=f"{self.crl_url}/{crl_name(CA, 5)}",
            ca_issuers_url=f"{self.crl_url}/{CA}.cer",
            ocsp_url=self.ocsp_url,
        )
        return sign_tbs(build_tbs(contents), self.ca_keys[CA]), spki_sha256(spki)

    def _publish(self) -> None:
        shutil.copytree(self.ca_folder / "crls", self.crl_folder, dirs_exist_ok=True)
        for id, issuer in self.authority.issuers.items():
            (self.crl_folder / f"{id}.cer").write_bytes(issuer.certificate_der)
            for partition in (0, 5):
                self.publish_crl(id, partition)

    def publish_crl(self, id: str, partition: int, hours: float = 72) -> None:
        """Publish a CRL that is valid for so many hours from now; it began three days ago."""
        now = datetime.now(UTC).replace(microsecond=0)
        ends = now + timedelta(hours=hours)
        crl = build_crl(self.ca_keys[id], self.authority.issuer(id), now - timedelta(days=3), ends, [], 1)
        (self.crl_folder / crl_name(id, partition)).write_bytes(crl)

    def _record(self, certificate: tuple[bytes, str]) -> None:
        encoded, key = certificate
        serial = f"{GOOD:04x}"
        self.execute(
            "insert into issuer.certificates (key, version, state, issuer, serial, tbs, profile, profile_version, "
            'partition, not_before, not_after, key_sha256, "grant", certificate) values '
            f"('{CASE}', 1, 'issued', '{CA}', '{serial}', '\\x00', 'test-server', 1, 5, now(), "
            f"now() + interval '30 d', '{key}', '{{}}', '\\x{encoded.hex()}')",
            "insert into revoker.statuses (key, version, standing, issuer, serial, partition, certificate) values "
            f"('{CASE}', 1, 'valid', '{CA}', '{serial}', 5, '{{}}')",
        )

    async def _mail_server(self) -> dict[str, str]:
        ca = TrialCa()
        own = ca.issue("mail", ["127.0.0.1"])
        (self.folder / "mail.pem").write_text(own.certificate + own.key)
        (self.folder / "mail-ca.pem").write_text(ca.certificate)
        password = self.folder / "mail-password"
        password.touch(mode=0o600)
        password.write_text("secret\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "mail.pem")
        await self._stack.enter_async_context(self.mail.serving(context))
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.mail.port),
            "SMTP_TLS": "implicit",
            "SMTP_CA_FILE": str(self.folder / "mail-ca.pem"),
            "SMTP_USERNAME": "notifier",
            "SMTP_PASSWORD_FILE": str(password),
        }
