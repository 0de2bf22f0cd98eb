"""A whole system with customers and observers, on which a plan is run, with or without faults."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_cli.connections.kafka import publish
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import System
from servicecert_launcher import Parts
from servicecert_pki.authority import Authority

from chaos.customers import Customers, account_openings
from chaos.customers import customers as make_customers
from chaos.idle import IdleCheck
from chaos.observers import SIGNATURE_HOOK, CrlArchive, MailServer, read_crl, signatures
from chaos.plan import Plan
from chaos.tables import read_tables
from chaos.topics import read_topics
from chaos.traffic import Traffic, traffic
from chaos.verdict import Evidence, Verdict, judge

SESSION_SECONDS = "2"
"""Kafka's session timeout: short, so that the group soon notices workers that died or froze."""


@dataclass(frozen=True)
class Testbed:
    """Everything that a run needs."""

    __test__: ClassVar[bool] = False
    """pytest collects no tests of this class, despite its name."""

    system: System
    mail_server: MailServer
    crls: CrlArchive
    traffic: Traffic
    signature_log: Path

    async def evidence(self, notifier_losses: int = 0) -> Evidence:
        """Return the current evidence for a verdict."""
        authority = Authority.load(self.system.ca_folder)
        return Evidence(
            topics=await read_topics(self.system.cluster),
            tables=await read_tables(self.system),
            poison=[(planned, (topic, partition, at)) for planned, topic, partition, at in self.traffic.poison],
            mails=self.mail_server.mails,
            published={path.stem: read_crl(path.read_bytes()) for path in self.system.crl_folder.glob("*.crl")},
            fetched=self.crls.fetched,
            fetch_order=self.crls.order,
            signatures=signatures(self.signature_log),
            ca_keys={
                sha256(info.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest(): id
                for id, info in authority.issuers.items()
            },
            answers_lost=self.mail_server.lost,
            notifier_losses=notifier_losses,
        )

    async def run_plan(self, plan: Plan) -> Verdict:
        """Send all records of a plan without faults, and return the verdict."""
        for burst in plan.bursts:
            await self.traffic.send(burst)
        await IdleCheck(self.system, self.traffic).wait()
        return judge(plan.cases, await self.evidence())


@asynccontextmanager
async def open_testbed(
    folder: Path,
    parts: Parts,
    *,
    workers: int | Mapping[str, int] = 1,
    authority: Path | None = None,
    token: bool = False,
    monitored: bool = False,
    customers: Customers | None = None,
    environment: Mapping[str, str] | None = None,
    identities: Identities | None = None,
) -> AsyncIterator[Testbed]:
    """Start a system in an existing folder, with running parts. Raises the errors of System.

    The parts' broker was started with the `identities`.

    Without `customers`, new ones are made, which takes seconds.
    """
    making = asyncio.create_task(make_customers()) if customers is None else None
    async with AsyncExitStack() as stack:
        mail_server, log = MailServer(), folder / "signatures"
        archive = CrlArchive(folder / "crls")
        system = System(
            folder,
            workers=workers,
            parts=parts,
            authority=authority,
            token=token,
            monitored=monitored,
            identities=identities,
            crls=await stack.enter_async_context(archive.serving()),
            environment={
                **await stack.enter_async_context(mail_server.serving()),
                "SIGNATURE_LOG": str(log),
                "PYTHONPATH": os.pathsep.join(
                    [str(SIGNATURE_HOOK), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
                ),
                "SERVICECERT_SESSION_SECONDS": SESSION_SECONDS,
                # All applications come from four accounts.
                "SERVICECERT_MOST_EVENTS": "1000000000",
                **(environment or {}),
            },
        )
        await stack.enter_async_context(system)
        await publish(system.cluster, *account_openings())
        applicants = customers if making is None else await making
        assert applicants is not None
        sender = await stack.enter_async_context(traffic(system.cluster, applicants))
        yield Testbed(system, mail_server, archive, sender, log)
