"""A whole system on one machine: broker, database, CA, registers, mail catcher, CRL server, services, OCSP responder.

    async with System(Path("var/demo")) as system:
        system.cluster.bootstrap, system.cluster.prefix    # Kafka, and the prefix of each topic's name
        system.urls["intake"]                              # the DATABASE_URL of a service
        system.mails.mails, system.mail_folder             # the mails: in memory, and as files
        system.crl_url, system.crl_folder, system.ocsp_url
        system.children["issuer"].kill()                   # "issuer", "issuer-2", …, "ocsp": servicecert_launcher.Child
        system.start("issuer")                             # a new process under the same name
        await system.ready("issuer")
        await system.metrics("issuer")

The demo, `servicecert up`, the journeys, the chaos run and the benchmarks use it. It has no fixed port, and writes to
its own folder only.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aiohttp
from servicecert_launcher import Child, Parts
from servicecert_launcher.mail_catcher import MailCatcher
from servicecert_launcher.ports import HOST, free_port
from servicecert_pki.ceremony_files import write_identity
from servicecert_pki.identity import FILE, trial
from servicecert_pki.manifest import MANIFEST
from servicecert_revoker.serving import admission, crl_server
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.core.service_keys import make_keys
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database

from ..admin import topics
from ..faults import UserError
from ..operations.authority import make_authority
from ..registers.loading import publish_entries
from ..registers.reading import FICTITIOUS_REGISTERS, read_register
from .folders import make_folders
from .identities import Identities
from .parts import Backends, given, open_place
from .progress import Steps
from .samples import Samples, by_service, summed
from .token_authority import make_token_authority

OCSP, LAG, CANARY = "ocsp", "lag", "canary"
"""The names of the responder's process, the exporter's and the canary's."""
COUNTED = (*SERVICES, OCSP)
"""Of what a system may have several processes."""
READY_SECONDS = 60.0
POLL_SECONDS = 0.02

_OWN = ("SERVICECERT_", "SMTP_", "DATABASE_URL", "KAFKA_")

PARTITIONS = 4
"""Of each CA's CRLs."""


class System:
    """Starts everything on entry, and stops everything on exit in any case.

    `folder` gets `mail/`, `crls/`, `logs/` and, while it runs, `private/`. `workers` is the number of processes of each
    service, or those by service. `parts` are a running broker and database server; the default is those of the
    environment, or new ones. In shared parts `apart` gives the system its own database and topic prefix, removed
    afterwards. `authority` is a folder with a CA and, beside it, its passphrase file; it is made if missing, and by
    default a CA is made for this run. With `token` a CA is always made for this run, and its keys are in SoftHSM2.
    With `secure` broker and database are started for this run and reached by TLS, and each process is a user of its
    own, whose rights are checked; or the parts were started with the `identities`. `monitored` adds the exporter (LAG)
    and the canary. `environment` is added to each process's, `overrides` to that of one when it starts again, by its
    name. Certificates name CRLs at `crls`, by default the system's own server. Raises
    UserError, OperatorError, DeployError and the authority's errors, each one sentence.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int | Mapping[str, int] = 1,
        parts: Parts | None = None,
        apart: bool = True,
        authority: Path | None = None,
        token: bool = False,
        secure: bool = False,
        identities: Identities | None = None,
        monitored: bool = False,
        environment: Mapping[str, str] | None = None,
        crls: str | None = None,
        crl_port: int = 0,
        report: Steps | None = None,
    ) -> None:
        self.folder = folder
        self.mail_folder = folder / "mail"
        self.crl_folder = folder / "crls"
        self.ca_folder = authority if authority and not token else folder / "private" / "ca"
        self.passphrase_file = self.ca_folder.with_name(f"{self.ca_folder.name}.passphrases")
        self.keys_folder = self.ca_folder.with_name("service-keys")
        self.children: dict[str, Child] = {}
        counts = dict.fromkeys(SERVICES, workers) if isinstance(workers, int) else workers
        self.processes = [name for part in COUNTED for name in worker_names(part, counts.get(part, 1))]
        self.workers = [name for name in self.processes if service_of(name) in SERVICES]
        self.processes += [LAG, CANARY] if monitored else []
        self.backends: Backends
        self.parts: Parts
        self.cluster: Cluster
        self.urls: Mapping[str, str]
        self.mails: MailCatcher
        self.crl_url: str
        self.crls = crls or ""
        self._crl_port = crl_port
        self.ocsp_url: str
        self._parts = parts
        self._apart = apart
        self._token = token
        self._token_environment: Mapping[str, str] = {}
        self._secure = secure
        self._identities = identities
        self._environment = environment or {}
        self.overrides: dict[str, Mapping[str, str]] = {}
        self._report = report or Steps()
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession
        # A monitoring system finds a process again at its place after a restart.
        self._health_ports = {name: free_port() for name in self.processes} if monitored else {}

    def cluster_of(self, principal: Principal) -> Cluster:
        """The cluster as a principal reaches it; `cluster` is that of the broker's administrator."""
        return self.backends.cluster_of(principal)

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        self._make_folders()
        if self._secure and self._identities is None:
            if names := given():
                raise UserError(
                    "A secure system starts its own broker and database: unset"
                    f" {' and '.join(names)}, or use `servicecert up --plain`.",
                    os.EX_CONFIG,
                )
            self._identities = Identities.make(self.folder / "private" / "kafka")
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        self.mails = await self._stack.enter_async_context(MailCatcher(self.mail_folder))
        try:
            serving = crl_server.serve(self.crl_folder, HOST, self._crl_port)
            self.crl_url = await self._stack.enter_async_context(serving)
        except OSError as fault:
            raise UserError(
                f"CRLs cannot be served at port {self._crl_port}, which earlier certificates name ({fault.strerror}): "
                "end what uses it.",
                os.EX_UNAVAILABLE,
            ) from None
        self._ocsp_port = free_port()
        self.ocsp_url = admission.address(HOST, self._ocsp_port)
        self.authority_file = self.folder / "private" / FILE
        self.crls = self.crls or self.crl_url
        self.authority_file.write_text(trial(self.crls, self.ocsp_url, PARTITIONS), "utf-8")
        authority = asyncio.create_task(self._make_authority())
        # A thread cannot be interrupted: it must end before its folder is removed.
        self._stack.push_async_callback(asyncio.wait, [authority])
        self.backends = await self._stack.enter_async_context(
            open_place(self._parts, self._report, apart=self._apart, identities=self._identities)
        )
        self.parts, self.cluster, self.urls = self.backends.parts, self.backends.cluster, self.backends.urls
        await topics.create(self.cluster, CATALOGUE)
        if self._identities is not None:
            await self._identities.register(self.parts, self.cluster.prefix)
        self._stack.push_async_callback(self.stop_all)
        # Before intake starts: it becomes ready once it has read the registers.
        loader = self.cluster_of(Principal.REGISTERS_LOADER)
        await publish_entries(loader, await asyncio.to_thread(list, read_register(FICTITIOUS_REGISTERS)))
        of_authority = ("issuer", "revoker", OCSP, CANARY)
        self._report.began("services", "Services")
        for name in self.processes:
            if service_of(name) not in of_authority:
                self.start(name)
        await authority
        for name in self.processes:
            if service_of(name) in of_authority:
                self.start(name)
        await self.ready(*self.processes)
        self._report.done("services", ", ".join((*SERVICES, OCSP)))

    def _make_folders(self) -> None:
        private = make_folders(self.folder)
        self._stack.callback(shutil.rmtree, private, ignore_errors=True)
        if not self.keys_folder.exists():
            make_keys(self.keys_folder, SERVICES)

    async def _make_authority(self) -> None:
        if (self.ca_folder / MANIFEST).exists():
            return
        self._report.began("authority", "Certificate authority")
        write_identity(self.ca_folder, self.authority_file.read_text("utf-8"))
        if self._token:
            self._token_environment = await asyncio.to_thread(
                make_token_authority, self.ca_folder, self.passphrase_file, self.folder / "private" / "softhsm"
            )
        else:
            await asyncio.to_thread(make_authority, self.ca_folder, self.passphrase_file)
        where = ", keys in SoftHSM2" if self._token else ""
        self._report.done("authority", f"4 roots, 4 issuing CAs: RSA 4096, EC P-384{where}")

    def environment(self, name: str) -> dict[str, str]:
        """Return the whole environment of a worker. Only services that sign get the location of the CA's keys."""
        service = service_of(name)
        own: dict[str, Mapping[str, str]] = {
            "issuer": self._authority_environment(),
            "revoker": {**self._authority_environment(), "SERVICECERT_CRL_DIR": str(self.crl_folder)},
            "notifier": {
                "SMTP_HOST": self.mails.host,
                "SMTP_PORT": str(self.mails.port),
                "SMTP_TLS": "off",
                "SERVICECERT_AUTHORITY_FILE": str(self.authority_file),
            },
            OCSP: {
                "SERVICECERT_OCSP_HOST": HOST,
                "SERVICECERT_OCSP_PORT": str(self._ocsp_port),
                "SERVICECERT_OCSP_CA_CERTIFICATES": str(self.ca_folder / "issuing"),
                "SERVICECERT_OCSP_CRL_URL": self.crl_url,
            },
            LAG: {"DATABASE_URL": self.backends.urls[database.MONITORING], "SERVICECERT_LAG_SECONDS": "2"},
            CANARY: self.canary_environment,
        }
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(_OWN)},
            **self.cluster_of(_PRINCIPALS.get(service) or Principal(service)).environment,
            # A trial without identities has a broker in the clear, where everybody may do everything.
            **({} if self._identities else {"SERVICECERT_INSECURE": "broker"}),
            "SERVICECERT_SERVICE_KEYS": str(self.keys_folder),
            "SERVICECERT_HEALTH_FILE": str(self._health_file(name)),
            "SERVICECERT_HEALTH_PORT": str(self._health_ports.get(name, 0)),
            **(self._worker_environment(service) if service in SERVICES else {}),
            **own.get(service, {}),
            **self._environment,
            **self.overrides.get(name, {}),
        }

    @property
    def canary_environment(self) -> dict[str, str]:
        """What the canary needs: `start("canary")` starts one."""
        return {
            "SERVICECERT_CANARY_MAIL": "canary@authority.example",
            "SERVICECERT_CANARY_CA_CERTIFICATES": str(self.ca_folder.absolute() / "issuing"),
        }

    def _worker_environment(self, service: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.backends.urls[service],
            "SERVICECERT_SERVICE_KEY_FILE": str(self.keys_folder / f"{service}.key"),
            "SERVICECERT_AUDIT_SECONDS": "10",
        }

    def _authority_environment(self) -> dict[str, str]:
        return {
            "SERVICECERT_CA_DIR": str(self.ca_folder),
            **(self._token_environment or {"SERVICECERT_CA_PASSPHRASE_FILE": str(self.passphrase_file)}),
            "SERVICECERT_AUTHORITY_FILE": str(self.authority_file),
        }

    def start(self, name: str, **environment: str) -> Child:
        """Start a worker, or start it again, under its name; `environment` is added to its own."""
        self._health_file(name).unlink(missing_ok=True)
        service = service_of(name)
        command = [sys.executable, "-m", "servicecert_cli", *_COMMANDS.get(service, ("run", service))]
        child = Child(command, log=self.log(name), environment={**self.environment(name), **environment})
        self.children[name] = child
        return child

    async def ready(self, *names: str) -> None:
        """Wait until the workers are ready. Raises UserError if one ends or is not ready after a minute."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                for name in names:
                    while await self._answer(name, "ready") is None:
                        self.require_alive(name)
                        await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise UserError(
                f"{name} is not ready after {READY_SECONDS:.0f} s: see {self.log(name)}.", os.EX_SOFTWARE
            ) from None

    def require_alive(self, *names: str) -> None:
        """Raise UserError, with the last lines of its log, if a worker has ended."""
        for name in names or tuple(self.children):
            child = self.children[name]
            if not child.alive:
                raise UserError(f"{name} ended with status {child.returncode}: {child.tail(4)}", os.EX_SOFTWARE)

    async def _answer(self, name: str, path: str) -> str | None:
        try:
            async with self._session.get(f"http://{self.health(name)}/{path}") as answer:
                return await answer.text() if answer.ok else None
        except (OSError, aiohttp.ClientError):
            return None

    @property
    def targets(self) -> Mapping[str, list[str]]:
        """The `host:port` of the processes' metrics, by service. Only a monitored system has some."""
        targets: dict[str, list[str]] = {}
        for name, port in self._health_ports.items():
            targets.setdefault(service_of(name), []).append(f"{HOST}:{port}")
        return targets

    def health(self, name: str) -> str:
        """Return the `host:port` of a worker's /live, /ready and /metrics. Raises OSError before it has one."""
        return self._health_file(name).read_text()

    async def waiting(self) -> Mapping[str, Samples]:
        """Return what the exporter shows, by service, as `by_service` does; empty if it does not answer."""
        return by_service(await self._answer(LAG, "metrics") or "", self.cluster.prefix)

    async def metrics(self, name: str) -> Samples:
        """Return a worker's metrics now, as `summed` does; empty if it does not answer."""
        return summed(await self._answer(name, "metrics") or "")

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _health_file(self, name: str) -> Path:
        return self.folder / "private" / f"{name}.health"

    async def stop_all(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(child.stop) for child in self.children.values()))


def worker_names(service: str, count: int) -> list[str]:
    """Return the names of a service's workers: intake, intake-2, intake-3 and so on."""
    return [service if number == 1 else f"{service}-{number}" for number in range(1, count + 1)]


def service_of(name: str) -> str:
    return name.partition("-")[0]


_COMMANDS = {OCSP: (OCSP,), LAG: ("lag", "--serve"), CANARY: (CANARY,)}
_PRINCIPALS = {OCSP: Principal.OCSP_RESPONDER, LAG: Principal.MONITORING}
