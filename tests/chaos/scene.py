"""A whole system with its witnesses and customers: what a plan is played on, with harm or without, and judged by."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.stand.system import System
from servicecert_deploy import Parts
from servicecert_pki.authority import Authority

from chaos.customers import Customers, customers, openings
from chaos.plan import Plan
from chaos.quiet import Quiet
from chaos.tables_told import read_tables
from chaos.topics_told import read_topics
from chaos.traffic import Traffic, traffic
from chaos.verdict import Evidence, Verdict, judge
from chaos.witnesses import SIGNATURE_HOOK, CrlArchive, MailServer, read_crl, signatures

SESSION_SECONDS = "2"
"""Workers that die, or stand still for longer, are missed soon."""


@dataclass(frozen=True)
class Scene:
    """Everything that a play needs."""

    system: System
    mail_server: MailServer
    crls: CrlArchive
    traffic: Traffic
    signature_log: Path

    async def evidence(self) -> Evidence:
        """All that there is to judge by, read anew."""
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
        )

    async def play(self, plan: Plan) -> Verdict:
        """Sends all of a plan at once, does no harm, and judges what came of it."""
        for burst in plan.bursts:
            await self.traffic.send(burst)
        await Quiet(self.system, self.traffic).wait()
        return judge(plan.cases, await self.evidence())


@asynccontextmanager
async def opened(
    folder: Path,
    parts: Parts,
    *,
    workers: int = 1,
    authority: Path | None = None,
    token: bool = False,
    known: Customers | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Scene]:
    """Starts a system in a folder that exists, on parts that run already. `known` spares making the customers' keys. Raises what System raises."""
    making = asyncio.create_task(customers()) if known is None else None
    async with AsyncExitStack() as stack:
        mail_server, log = MailServer(), folder / "signatures"
        archive = CrlArchive(folder / "crls")
        system = System(
            folder,
            workers=workers,
            parts=parts,
            authority=authority,
            token=token,
            environment={
                **await stack.enter_async_context(mail_server.serving()),
                **await stack.enter_async_context(archive.serving()),
                "SIGNATURE_LOG": str(log),
                "PYTHONPATH": os.pathsep.join(
                    [str(SIGNATURE_HOOK), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
                ),
                "SERVICECERT_SESSION_SECONDS": SESSION_SECONDS,
                **(environment or {}),
            },
        )
        await stack.enter_async_context(system)
        await publish(system.cluster, *openings())
        who = known if making is None else await making
        assert who is not None
        sending = await stack.enter_async_context(traffic(system.cluster, who))
        yield Scene(system, mail_server, archive, sending, log)
