"""A client of a running system: applies, supplements, revokes, and waits for the events of a case."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TypeVar
from uuid import UUID, uuid4

from chaos.customers import Customers, account_openings
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.applications import customer_of, example
from servicecert_cli.stand.system import System
from servicecert_cli.stand.topic_reader import TopicReader, reading_topics
from servicecert_schemas.application import Application
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.customer import Customer
from servicecert_schemas.event import CaseEvent, EventData
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.values import CertificateType

C = TypeVar("C", bound=CaseEvent)
Running = Callable[..., AbstractAsyncContextManager["CustomerClient"]]
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class CustomerClient:
    """A running system, a reader of all its topics, and customers with their requests."""

    system: System
    witness: TopicReader
    customers: Customers

    def request(self, type: CertificateType, number: int = 0) -> str:
        """Return the certificate request of the customer who applies for this type."""
        return self.customers.requests[type][number]

    async def send(self, *events: EventData) -> list[UUID]:
        return await publish(self.system.cluster_of(Principal.E_SERVICE), *events)

    async def apply(self, type: CertificateType, *, number: int = 0, application: Application | None = None) -> UUID:
        """Submit an application with the customer's request of that number; return the case."""
        case_id, form = uuid4(), application or example(type)
        await self.send(customer_of(form).submitted(case_id, form, self.request(type, number)))
        return case_id

    async def view(self, case_id: UUID, state: CaseState, matches: Callable[[CaseChanged], bool] = bool) -> CaseChanged:
        """Return the first view of a case in this state that `matches`, once it is published."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.witness.until(
                CaseChanged, lambda view: (view.case_id, view.state) == (case_id, state) and matches(view)
            )

    async def latest(self, case_id: UUID, kind: type[C], count: int = 1) -> C:
        """Return the newest event of a kind about a case, once there are `count`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.witness.until(kind, lambda _: len(self.witness.events_of_case(case_id, kind)) >= count)
        return self.witness.events_of_case(case_id, kind)[-1]

    async def certificate(
        self, type: CertificateType, *, number: int = 0, request: str | None = None
    ) -> CertificateIssued:
        """Apply, with another request if one is given; return the certificate once all its mails are handed over."""
        form, case_id = example(type), uuid4()
        await self.send(customer_of(form).submitted(case_id, form, request or self.request(type, number)))
        await self.view(case_id, CaseState.DELIVERED)
        return await self.latest(case_id, CertificateIssued)

    def mails(self, case_id: UUID) -> list[EmailMessage]:
        """Return the mails that were handed over for a case, as the mail server received them."""
        ids = {str(each.mail_id) for each in self.witness.events_of_case(case_id, MailHandedOver)}
        mails = (message_from_bytes(mail.content, policy=policy.default) for mail in self.system.mails.mails)
        return [mail for mail in mails if mail["Message-ID"].strip("<>").partition("@")[0] in ids]


def applicant(type: CertificateType) -> Customer:
    """Return the customer of the example of this type."""
    return customer_of(example(type))


@asynccontextmanager
async def connected_client(system: System, customers: Customers):
    """Connect a client to a running system."""
    async with reading_topics(system.cluster) as witness:
        await publish(system.cluster_of(Principal.E_SERVICE), *account_openings())
        await witness.caught_up()
        yield CustomerClient(system, witness, customers)
