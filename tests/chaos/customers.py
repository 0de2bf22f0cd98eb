"""The customers: their keys and requests, their applications, and the records that the e-service sends of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from servicecert_cli.demo import openssl
from servicecert_cli.demo.applications import mistaken
from servicecert_cli.e_service.application import Application, example, read_csr
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.e_service.publishing import E_SERVICE
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.event import Assurance, EventData
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.topics import MAX_EVENT_BYTES
from servicecert_schemas.values import CertificateType

from chaos.plan import REQUESTS, Case, Poison, PoisonRecord, Way

KINDS = (openssl.EC_P384, openssl.RSA_2048, openssl.RSA_3072)
"""What the first, the second and the third key of each customer are."""


@dataclass(frozen=True)
class Customers:
    """Four organisations, one for each type of certificate, with their requests."""

    requests: dict[CertificateType, list[str]]

    def first_records(self, case: Case) -> Iterator[Record]:
        """All that the e-service sends of a case unasked, in order."""
        events = list(zip(case.event_ids, self._events(case), strict=False))
        records = [_record(event_id, data) for event_id, data in events]
        if case.anew:
            # The first event once more, as if the customer had pressed the button twice: answered, and nothing else.
            records.append(_record(UUID(int=case.event_ids[0].int ^ 1), events[0][1]))
        yield from records
        if case.twice:
            yield records[0]

    def _events(self, case: Case) -> Iterator[EventData]:
        application, csr = example(case.type), self.requests[case.type][case.request]
        customer = customer_of(application)
        match case.way:
            case Way.STRAIGHT | Way.REVOKED:
                yield customer.submitted(case.case_id, application, csr)
            case Way.CSR_LATER:
                yield customer.submitted(case.case_id, application, None)
                yield customer.attached(case.case_id, csr)
            case Way.SUPPLEMENTED:
                yield customer.submitted(case.case_id, mistaken(application), csr)
                yield customer.supplemented(case.case_id, application, None)
            case Way.RETURNED:
                yield customer.submitted(case.case_id, mistaken(application), csr)
            case Way.REFUSED:
                yield replace(customer, assurance=Assurance.LOW).submitted(case.case_id, application, csr)


def openings() -> list[EventData]:
    """The accounts of the four organisations are opened, as they were before anybody applies."""
    applications = [example(type) for type in CertificateType]
    return [customer_of(each).opened(each.applicant.business_id, each.unit_long_name) for each in applications]


def customer_of(application: Application) -> Customer:
    return Customer.of(application.applicant.business_id)


def revocation(case: Case, serial: str) -> Record:
    """The request to revoke the case's certificate."""
    asked = customer_of(example(case.type)).revocation(case.case_id, serial, RevocationReason.NO_LONGER_NEEDED)
    return _record(case.event_ids[2], asked.model_copy(update={"request_id": case.event_ids[2]}))


def mails_owed(case: Case) -> int:
    """How many mails a case brings about: orderer and technical contact hear of an application, the shared mailbox of the certificate too.

    Who was not strongly authenticated has nothing mailed, and only the technical contact is invited to attach a request.
    """
    applicants = 2
    everybody = applicants + (example(case.type).shared_mailbox is not None)
    return {
        Way.STRAIGHT: everybody,
        Way.CSR_LATER: 1 + everybody,
        Way.SUPPLEMENTED: applicants + everybody,
        Way.RETURNED: applicants,
        Way.REFUSED: 0,
        Way.REVOKED: 2 * everybody,
    }[case.way]


def _record(event_id: UUID, data: EventData) -> Record:
    return to_record(data, source=E_SERVICE, id=event_id, time=datetime.now(UTC))


def poisonous(planned: PoisonRecord) -> tuple[bytes | None, list[tuple[str, bytes]], bytes]:
    """Key, headers and value of a record that no service can take."""
    good = _record(planned.event_id, Customer("account-1").attached(planned.key, "no request"))
    match planned.poison:
        case Poison.NOISE:
            return good.key, [], planned.event_id.bytes * 9
        case Poison.NO_KEY:
            return None, good.headers, good.value
        case Poison.UNKNOWN_TYPE:
            others = [(name, raw) for name, raw in good.headers if name != "ce_type"]
            return good.key, [*others, ("ce_type", b"servicecert.unheard.of.v1")], good.value
        case Poison.WRONG_SCHEMA:
            return good.key, good.headers, b'{"case_id": 7}'
        case Poison.TOO_LARGE:
            return good.key, good.headers, b" " * (MAX_EVENT_BYTES + 1)


async def customers() -> Customers:
    """Has OpenSSL make the keys and requests. Raises Told."""
    with TemporaryDirectory() as folder:
        made = {
            type: await asyncio.gather(
                *(
                    openssl.make_request(KINDS[number], "nothing of this is copied", Path(folder), f"{type}-{number}")
                    for number in range(REQUESTS)
                )
            )
            for type in CertificateType
        }
        return Customers({type: [read_csr(path) for path in paths] for type, paths in made.items()})
