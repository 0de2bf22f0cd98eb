"""F2: the page about the services' own keys, followed for each of them; and what follows where one has leaked."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from subprocess import PIPE, STDOUT
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from chaos.idle import IdleCheck
from commandline import run_process
from cryptography.x509.ocsp import OCSPCertStatus
from docs.pages import CHECKOUT, blocks
from journeys.client import PATIENCE_SECONDS, CustomerClient, Running, applicant
from journeys.ocsp import ocsp_status
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.operators import add_operator, add_reader
from servicecert_cli.stand.system import OCSP, System
from servicecert_pki.authority import Authority
from servicecert_pki.ocsp_client import OcspUnsound
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.topics import SERVICES
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.service_keys import read_key
from servicecert_worker.core.signatures import Signer

PAGE = blocks(CHECKOUT / "docs" / "tasks" / "service-keys.md")
ADD, GIVE, SIGN_ANEW, REMOVE = (block.text for block in PAGE if "replace" in block.words)
EXPOSED, GO_ON = (block.text for block in PAGE if "exposed" in block.words)
(DISCARD,) = (block.text for block in PAGE if "exposed-operator" in block.words)
KIND = CertificateType.TEST_SERVER


@dataclass
class Keys:
    """The administrator of a service's keys, who types what the page says, in a folder for each key."""

    client: CustomerClient
    service: str
    folder: Path
    pinned: str
    number: int = 0

    @property
    def system(self) -> System:
        return self.client.system

    def next_key(self) -> None:
        """Begin the page anew, with the name of the next public key."""
        self.number += 1
        (self.folder / str(self.number)).mkdir(parents=True)

    async def type(self, text: str, **environment: str) -> None:
        """Run a block of the page in the service's environment."""
        names = {"old": self.pinned, "new": f"{self.service}-{self.number}.pub"}
        bin = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", text),
            cwd=self.folder / str(self.number),
            env={
                **self.system.environment(self.service),
                **{"PATH": bin, "service": self.service, "keys": str(self.system.keys_folder)},
                **names,
                **environment,
            },
            stdout=PIPE,
            stderr=STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()

    async def stop(self, *names: str) -> None:
        await asyncio.gather(*(asyncio.to_thread(self.system.children[name].stop) for name in names))

    async def restart(self, *names: str) -> None:
        """Restart processes one after another."""
        for name in names:
            await self.stop(name)
            self.system.start(name)
            await self.system.ready(name)

    async def restart_checked(self, name: str) -> None:
        """Restart a service. While it is stopped, its tables have all that its journal has."""
        await self.stop(name)
        environment = self.system.environment(name)
        done = await asyncio.to_thread(run_process, "restore", "check", name, environment=environment)
        assert (done.code, done.out) == (0, f"The tables of {name} have all that its journal has.\n"), done
        await self.restart(name)

    async def parked(self) -> dict[str, list[str]]:
        """Return the reasons of parked records, by service."""
        async with database(self.system) as connection:
            rows = {name: await connection.fetch(f"select reason from {name}.parked") for name in SERVICES}
        return {name: [row["reason"] for row in of] for name, of in rows.items() if of}


@asynccontextmanager
async def database(system: System) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def own_authority(authority: Path, tmp_path: Path) -> Path:
    """A copy: the services' keys are beside it, and change."""
    copytree(authority.parent, tmp_path / "authority")
    return tmp_path / "authority" / authority.name


async def works(client: CustomerClient) -> CertificateIssued:
    """Have a certificate issued, mailed, revoked and listed on CRLs. Return it."""
    case_id = await client.apply(KIND)
    await client.view(case_id, CaseState.DELIVERED)
    issued = await client.latest(case_id, CertificateIssued)
    await client.send(applicant(KIND).revocation(case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED))
    await client.view(case_id, CaseState.REVOKED)
    return issued


async def answered(system: System, certificates: Sequence[CertificateIssued]) -> None:
    """Wait until OCSP says of all that they are revoked."""
    authority = Authority.load(system.ca_folder)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for each in certificates:
            status = None
            while status is not OCSPCertStatus.REVOKED:
                with suppress(OcspUnsound, OSError):
                    status = await ocsp_status(system.ocsp_url, authority.issuer(each.issuer), int(each.serial, 16))
                await asyncio.sleep(0.1)


async def unread_by_the_notifier(keys: Keys) -> UUID:
    """Return a case whose certificate the notifier has not read."""
    await keys.stop("notifier")
    case_id = await keys.client.apply(KIND)
    await keys.client.view(case_id, CaseState.ISSUED)
    return case_id


@pytest.mark.long
@pytest.mark.parametrize("service", SERVICES)
async def test_F2_F7_an_exposed_key_and_one_that_is_replaced_stop_nothing(
    service: str, running: Running, own_authority: Path, tmp_path: Path
) -> None:
    async with running(tmp_path / "system", authority=own_authority) as client:
        system = client.system
        keys = Keys(client, service, tmp_path / "admin", f"{service}.pub")
        revoked = [await works(client)]
        await IdleCheck(system).wait()
        case_id = await unread_by_the_notifier(keys) if service == "issuer" else None

        keys.next_key()
        await keys.stop(service)
        await keys.type(EXPOSED)
        for other in (other for other in SERVICES if other != service):
            is_behind = case_id is not None and other == "notifier"
            await (keys.restart if is_behind else keys.restart_checked)(other)
        await keys.type(GO_ON)
        system.start(service)
        await system.ready(service)
        await IdleCheck(system).wait()
        await keys.restart(OCSP)
        revoked.append(await works(client))
        if case_id is not None:
            await client.view(case_id, CaseState.DELIVERED)
            assert await keys.parked() == {"notifier": ["wrong-signature"]}
            url = add_operator(system.backends.admin_url, f"anna{uuid4().hex[:8]}")
            await keys.type(DISCARD, reader="notifier", DATABASE_URL=url)
        assert await keys.parked() == {}
        await answered(system, revoked)
        keys.pinned = f"{service}-{keys.number}.pub"

        keys.next_key()
        await keys.type(ADD)
        await keys.restart(*system.processes)
        await keys.type(GIVE)
        await keys.restart(service)
        revoked.append(await works(client))
        if service in ("intake", "revoker"):
            await keys.type(SIGN_ANEW)
        await IdleCheck(system).wait()
        await keys.type(REMOVE)
        await keys.restart(*system.processes)
        revoked.append(await works(client))
        assert await keys.parked() == {}
        await answered(system, revoked)


@pytest.mark.long
async def test_F2_who_orders_a_certificate_with_intake_s_key_is_noticed(running: Running, tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        system = client.system
        genuine = await works(client)
        await IdleCheck(system).wait()
        url = add_reader(system.backends.admin_url, f"auditor{uuid4().hex[:8]}")
        environment = {**system.cluster.environment, "DATABASE_URL": url}

        async def reconciled() -> tuple[int, str]:
            done = await asyncio.to_thread(run_process, "ca", "reconcile", "--published", environment=environment)
            return done.code, done.out

        async def unasked() -> float:
            async with database(system) as connection:
                name = "servicecert_unasked_certificates"
                query = "select value from intake.figures(now()) where name = $1"
                return float(await connection.fetchval(query, name))

        code, said = await reconciled()
        assert (code, await unasked()) == (0, 0), said
        accepted = await client.latest(genuine.case_id, ApplicationAccepted)
        forged = accepted.model_copy(update={"case_id": uuid4()})
        intake = Signer("intake", read_key(system.keys_folder / "intake.key"))
        await publish(system.cluster, forged, signer=intake)
        await client.latest(forged.case_id, CertificateIssued)
        await IdleCheck(system).wait()
        code, said = await reconciled()
        assert code == 1
        assert [line.partition(" ")[0] for line in said.splitlines() if "did not accept" in line] == [
            str(forged.case_id)
        ]
        assert "1 differences." in said
        assert await unasked() == 1
