"""Cases in which every text that a person fills in names a person who is found nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

from aiosmtpd.smtp import SMTP, Envelope, Session
from listening import HOST, listening
from servicecert_cli.demo import openssl
from servicecert_cli.operations.applications import example, read_csr
from servicecert_schemas.application import Application, Attachment, Signatory
from servicecert_schemas.codec import Record
from servicecert_schemas.customer import Customer
from servicecert_schemas.revocation import Notify, RevocationReason, RevocationRequested
from servicecert_schemas.values import CertificateType

WHO = "zqxqvist"
"""The name of all of them."""
DOMAIN = f"{WHO}.example"


def person(what: str) -> str:
    return f"{WHO.capitalize()} {WHO} {what}"


def address(what: str) -> str:
    return f"{what}.{WHO}@{DOMAIN}"


ATTACHMENT = Attachment(
    kind="conformity-certificate",
    reference=f"https://e-service.example/{WHO}.pdf",
    sha256="0" * 64,
    size=1,
    media_type=person("medium"),
    system_id=person("system"),
    certificate_number=person("number"),
    valid_from=date(2024, 1, 1),
    valid_to=date(2124, 1, 1),
)


def application(case: str) -> Application:
    """Return an acceptable application: only names that a certificate gets are an organisation's."""
    form = example(CertificateType.SERVER)
    contact = {"name": person(case), "email": address(f"contact-{case}"), "phone": person("phone")}
    return form.model_copy(
        update={
            "orderer": form.orderer.model_copy(update={"name": person(case), "email": address(f"orderer-{case}")}),
            "technical_contact": form.technical_contact.model_copy(update={**contact, "organisation": person("firm")}),
            "shared_mailbox": address(f"mailbox-{case}"),
            "signatory": Signatory(name=person("signs"), title=person("title"), signed_at="2026-01-01T12:00:00Z"),
            "customer_reference": person("reference"),
            "attachments": (ATTACHMENT,),
        }
    )


def mistaken(case: str) -> Application:
    """Return an application that is returned: the names of servers and of the unit name a person too."""
    form = application(case)
    return form.model_copy(
        update={
            "applicant": form.applicant.model_copy(update={"organisation_oid": person("oid")}),
            "unit_long_name": person("unit"),
            "names": form.names.model_copy(update={"dns": (f"{WHO}_{case}", address("dns")), "ip": (person("ip"),)}),
            "follows": person("follows"),
        }
    )


def revocation(who: Customer, case_id: UUID, serial: str, what: str) -> RevocationRequested:
    """Return a request with an explanation, and an address for the mail about it."""
    notify = Notify(email=address(what), language=person("language"))
    return who.revocation(case_id, serial, RevocationReason.NO_LONGER_NEEDED, person(what), notify=notify)


async def request(folder: Path, name: str) -> str:
    """Return a certificate request that names a person, as those of many users do."""
    subject = f"{person(name)}/emailAddress={address(name)}"
    return read_csr(await openssl.make_request(openssl.EC_P384, subject, folder, name))


def truncated(whole: Record, *, key: str | None = None) -> Record:
    """Return the record without its end: it is no event. It may have another key."""
    return replace(whole, value=whole.value[:-2], key=whole.key if key is None else key.encode())


def bounce(mail_id: UUID) -> bytes:
    """Return the report that a mail to a person came back, as servers write it (RFC 3464)."""
    return f"""\
From: MAILER-DAEMON@mail.example
To: certificates@authority.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

--=b
Content-Type: text/plain

{person("bounced")} <{address("bounced")}> is unknown here.
--=b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example

Final-Recipient: rfc822; {address("bounced")}
Action: failed
Status: 5.1.1
--=b
Content-Type: text/rfc822-headers

To: {address("bounced")}
Message-ID: <{mail_id}@authority.example>
--=b--
""".encode()


@asynccontextmanager
async def mail_server() -> AsyncIterator[dict[str, str]]:
    """Run a server that refuses an address, defers another one, and repeats both. Yields the notifier's settings."""

    async def rcpt(_server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        if address.startswith("orderer-troubled"):
            return f"550 5.1.1 <{address}> {person('unknown')}"
        if address.startswith("mailbox-troubled"):
            return f"452 4.2.2 <{address}> {person('full')}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def data(_server: SMTP, _session: Session, _envelope: Envelope) -> str:
        return "250 2.0.0 Ok"

    handler = SimpleNamespace(handle_RCPT=rcpt, handle_DATA=data)
    loop = asyncio.get_running_loop()
    async with listening(lambda: SMTP(handler, hostname="mail.example", loop=loop)) as port:
        yield {"SMTP_HOST": HOST, "SMTP_PORT": str(port)}
