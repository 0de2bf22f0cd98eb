"""Customers for a recording: applications of all types, good and mistaken, OCSP requests, and revocations."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaProducer
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from servicecert_cli.connections import kafka
from servicecert_cli.demo import openssl
from servicecert_cli.demo.applications import KEYS, mistaken
from servicecert_cli.e_service.application import Application, example, read_csr
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.e_service.publishing import E_SERVICE, publish
from servicecert_cli.stand.system import System
from servicecert_cli.stand.topic_reader import TopicReader, reading_topics
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.principals import Principal
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.topics import APPLICATIONS
from servicecert_schemas.values import CertificateType

PAUSE = 0.4
"""Seconds between two applications."""


class Customers:
    """Send applications, ask for the status of their certificates, and revoke each second one."""

    def __init__(
        self,
        system: System,
        requests: dict[CertificateType, str],
        producer: AIOKafkaProducer,
        witness: TopicReader,
        session: aiohttp.ClientSession,
    ) -> None:
        self._system = system
        self._requests = requests
        self._producer = producer
        self._witness = witness
        self._session = session
        self._issued: list[CertificateIssued] = []

    async def work(self) -> None:
        """Start a case each `PAUSE` seconds, without end."""
        types = tuple(CertificateType)
        async with asyncio.TaskGroup() as cases:
            for number in count():
                cases.create_task(self._case(number, types[number % len(types)]))
                await asyncio.sleep(PAUSE)

    async def _case(self, number: int, type: CertificateType) -> None:
        """Apply: each fifth application is mistaken and stays with the customer. Each second certificate is revoked.

        The status is asked for of a certificate of some time ago: of the newest ones responders know nothing yet.
        """
        case_id, application = uuid4(), example(type)
        customer = _customer(application)
        if number % 5 == 4:
            await self._send(customer.submitted(case_id, mistaken(application), self._requests[type]))
            return
        await self._send(customer.submitted(case_id, application, self._requests[type]))
        issued = await self._witness.until(
            lambda event: isinstance(event, CertificateIssued) and event.case_id == case_id
        )
        assert isinstance(issued, CertificateIssued)
        self._issued.append(issued)
        await self._ask(self._issued[len(self._issued) // 2])
        if number % 2 == 0:
            await self._send(customer.revocation(case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED))

    async def send_noise(self) -> None:
        """Send a record that is no event: intake parks it."""
        await self._producer.send_and_wait(self._system.cluster.name(APPLICATIONS), value=b"no event", key=b"nobody")

    async def _send(self, event: EventData) -> None:
        record = to_record(event, source=E_SERVICE, id=uuid4(), time=datetime.now(UTC))
        await kafka.send(self._producer, self._system.cluster, [record])

    async def _ask(self, issued: CertificateIssued) -> None:
        """Ask for the certificate's status over OCSP."""
        certificate = x509.load_der_x509_certificate(b64decode(issued.certificate))
        issuer = next(each for each in self._issuers() if each.subject == certificate.issuer)
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256()).build()
        asked = request.public_bytes(Encoding.DER)
        kind = {"Content-Type": "application/ocsp-request"}
        async with self._session.post(self._system.ocsp_url, data=asked, headers=kind) as answer:
            await answer.read()

    def _issuers(self) -> list[x509.Certificate]:
        folder = self._system.ca_folder / "issuing"
        return [x509.load_pem_x509_certificate(path.read_bytes()) for path in sorted(folder.glob("*.pem"))]


@asynccontextmanager
async def customers(system: System) -> AsyncIterator[Customers]:
    """Open the accounts of the four organisations, and let them work until the context ends. Raises OperatorError."""
    folder = system.folder / "private" / "requests"
    folder.mkdir(exist_ok=True)
    paths = {each: await openssl.make_request(KEYS[each], "load.example", folder, each) for each in CertificateType}
    applications = [example(type) for type in CertificateType]
    openings = [_customer(each).opened(each.applicant.business_id, each.unit_long_name) for each in applications]
    cluster = system.cluster_of(Principal.E_SERVICE)
    await publish(cluster, *openings)
    async with (
        kafka.producer(cluster) as producer,
        reading_topics(system.cluster) as witness,
        aiohttp.ClientSession() as session,
    ):
        requests = {each: read_csr(path) for each, path in paths.items()}
        them = Customers(system, requests, producer, witness, session)
        work = asyncio.create_task(them.work())
        try:
            yield them
        finally:
            work.cancel()
            await asyncio.wait([work])
            if not work.cancelled() and (fault := work.exception()):
                raise fault


def _customer(application: Application) -> Customer:
    return Customer.of(application.applicant.business_id)
