"""One example application from key to mail: what a customer does and gets, with the files on this machine."""

import asyncio
import os
import ssl
from base64 import b64decode
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

from rich.text import Text
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import CaseEvent
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.topics import CERTIFICATES, NOTIFICATIONS, Topic
from servicecert_schemas.values import CertificateType
from servicecert_worker.decider import Change
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..e_service.application import example, read_csr
from ..e_service.cases import changes
from ..e_service.customer import Customer
from ..e_service.publishing import publish
from ..faults import UserError
from ..operations.files import file_errors
from ..terminal.printing import Printer
from . import openssl

C = TypeVar("C", bound=CaseEvent)

MAIL_FOLDER = "SERVICECERT_EXAMPLE_MAILS"
"""The variable that names the mail catcher's folder, in the environment file of `servicecert up`."""

_ENDS = (CaseState.DELIVERED, CaseState.REFUSED, CaseState.RETURNED)


async def run_example(place: Cluster, type: CertificateType, folder: Path, seconds: float, printer: Printer) -> None:
    """Make a key, apply, follow the case to its delivery, write the certificate. Raises UserError and OperatorError."""
    case_id, application = uuid4(), example(type)
    customer = Customer.of(application.applicant.business_id)
    # Keys of earlier runs stay.
    files = folder / str(case_id)[:8]
    with file_errors("written", files, "choose another --folder"):
        files.mkdir(parents=True)
    csr = read_csr(await openssl.make_request(openssl.RSA_3072, "example", files, type))
    opened = customer.opened(application.applicant.business_id, application.unit_long_name)
    await publish(place, opened, customer.submitted(case_id, application, csr))
    case = await _followed(place, case_id, seconds, printer)
    if case.state is not CaseState.DELIVERED:
        codes = ", ".join(each.code for each in case.deficiencies)
        raise UserError(f"The case {case_id} is {case.state} ({codes}): see `servicecert cases open {case_id}`.")
    (files / f"{type}.pem").write_text(ssl.DER_cert_to_PEM_cert(await _certificate(place, case_id)))
    handed_over = await _of_case(place, NOTIFICATIONS, case_id, MailHandedOver)
    printer.blank()
    for label, value in (
        ("certificate", files / f"{type}.pem"),
        ("key", files / f"{type}.key"),
        *(("mail", path) for path in _mail_files(str(each.mail_id) for each in handed_over)),
        ("next", f"openssl x509 -in {files / type}.pem -noout -text"),
        ("", f"servicecert cases open {case_id}"),
    ):
        # Not wrapped: paths and commands are to be copied whole.
        printer.line("    ", Text(f"{label:<12}{value}"))


async def _followed(place: Cluster, case_id: UUID, seconds: float, printer: Printer) -> CaseChanged:
    """Print the states of a case as they come; return it at its end. Raises UserError after so many seconds."""
    shown, state = 0, "not received by intake"
    try:
        async with asyncio.timeout(seconds), aclosing(changes(place, case_id)) as views:
            async for case in views:
                printer.states(case, shown)
                shown, state = len(case.history), case.state
                if case.state in _ENDS:
                    return case
    except TimeoutError:
        pass
    raise UserError(f"After {seconds:g} s the case {case_id} is {state}: look at `servicecert lag` and the logs.")


async def _certificate(place: Cluster, case_id: UUID) -> bytes:
    (issued,) = await _of_case(place, CERTIFICATES, case_id, CertificateIssued)
    return b64decode(issued.certificate)


def _mail_files(ids: Iterable[str]) -> list[Path]:
    """Return the files of mails, in order; none where no mail catcher of this machine has them."""
    folder = os.environ.get(MAIL_FOLDER)
    return sorted(path for id in ids for path in Path(folder).glob(f"*{id}*.eml")) if folder else []


async def _of_case(place: Cluster, topic: Topic, case_id: UUID, kind: type[C]) -> list[C]:
    """Return the events of one kind about a case, each once: a record may be there twice."""
    found: list[C] = []

    def keep(change: Change) -> None:
        if isinstance(change.data, kind) and change.data.case_id == case_id and change.data not in found:
            found.append(change.data)

    await kafka.read(place, topic, keep)
    return found
