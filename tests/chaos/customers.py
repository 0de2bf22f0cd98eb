"""The customers: their keys and requests, their applications, and the records that the e-service sends for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from servicecert_cli.demo import openssl
from servicecert_cli.demo.applications import mistaken
from servicecert_cli.operations.applications import colleague, customer_of, example, read_csr
from servicecert_schemas.codec import Record
from servicecert_schemas.customer import record_of
from servicecert_schemas.event import Assurance, EventData
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.topics import MAX_EVENT_BYTES
from servicecert_schemas.values import CertificateType

from chaos.plan import REQUESTS, Case, Poison, PoisonRecord, Scenario

KINDS = (openssl.EC_P384, openssl.RSA_2048, openssl.RSA_3072)
"""The kinds of each customer's first, second and third key."""


@dataclass(frozen=True)
class Customers:
    """Four organisations, one for each type of certificate, with their requests."""

    requests: dict[CertificateType, list[str]]

    def initial_records(self, case: Case) -> Iterator[Record]:
        """Yield all records of a case that the e-service sends without waiting, in order."""
        events = list(zip(case.event_ids, self._events(case), strict=False))
        records = [record_of(data, id=event_id) for event_id, data in events]
        if case.resubmitted:
            # The first event again under another id, as if the customer clicked twice: it is only answered.
            records.append(record_of(events[0][1], id=UUID(int=case.event_ids[0].int ^ 1)))
        yield from records
        if case.duplicated:
            yield records[0]

    def _events(self, case: Case) -> Iterator[EventData]:
        application, csr = example(case.type), self.requests[case.type][case.request]
        customer = customer_of(application)
        match case.scenario:
            case Scenario.STRAIGHT | Scenario.REVOKED:
                yield customer.submitted(case.case_id, application, csr)
            case Scenario.CSR_LATER:
                yield customer.submitted(case.case_id, application, None)
                yield customer.attached(case.case_id, csr)
            case Scenario.SUPPLEMENTED:
                yield customer.submitted(case.case_id, mistaken(application), csr)
                yield customer.supplemented(case.case_id, application, None)
            case Scenario.RETURNED:
                yield customer.submitted(case.case_id, mistaken(application), csr)
            case Scenario.REFUSED:
                yield customer.model_copy(update={"assurance": Assurance.LOW}).submitted(case.case_id, application, csr)


def account_openings() -> list[EventData]:
    """Return the events that open the accounts of the four organisations, before any application."""
    applications = [example(type) for type in CertificateType]
    return [customer_of(each).opened(each.applicant.business_id, each.unit_long_name) for each in applications]


def revocation(case: Case, serial: str) -> Record:
    """Return the record that requests the revocation of the case's certificate."""
    event = customer_of(example(case.type)).revocation(case.case_id, serial, RevocationReason.NO_LONGER_NEEDED)
    return record_of(event.model_copy(update={"request_id": case.event_ids[2]}))


def expected_mails(case: Case) -> int:
    """Return the number of mails of a case: orderer and technical contact get all, the shared mailbox the certificate.

    No mail is sent without strong authentication; only the technical contact is invited to attach a request.
    """
    applicants = 2
    all_recipients = applicants + (example(case.type).shared_mailbox is not None)
    return {
        Scenario.STRAIGHT: all_recipients,
        Scenario.CSR_LATER: 1 + all_recipients,
        Scenario.SUPPLEMENTED: applicants + all_recipients,
        Scenario.RETURNED: applicants,
        Scenario.REFUSED: 0,
        Scenario.REVOKED: 2 * all_recipients,
    }[case.scenario]


def poison_record(planned: PoisonRecord) -> tuple[bytes | None, list[tuple[str, bytes]], bytes]:
    """Return key, headers and value of a record that no service can process."""
    good = record_of(colleague("account-1").attached(planned.key, "no request"), id=planned.event_id)
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
    """Return the customers, with keys and requests made by OpenSSL. Raises UserError."""
    with TemporaryDirectory() as folder:
        requests = {
            type: await asyncio.gather(
                *(
                    openssl.make_request(KINDS[number], "nothing of this is copied", Path(folder), f"{type}-{number}")
                    for number in range(REQUESTS)
                )
            )
            for type in CertificateType
        }
        return Customers({type: [read_csr(path) for path in paths] for type, paths in requests.items()})
