"""One example application from key to mail: what a customer does and gets, with the files on this machine."""

import os
import ssl
from contextlib import aclosing
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

from rich.text import Text
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.values import CertificateType
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.addresses import MAIL_FOLDER
from ..faults import UserError
from ..operations.applications import customer_of, example, read_csr
from ..operations.cases import changes
from ..operations.files import file_errors
from ..terminal.printing import Printer
from . import openssl

_ENDS = (CaseState.DELIVERED, CaseState.REFUSED, CaseState.RETURNED)


async def run_example(place: Cluster, type: CertificateType, folder: Path, seconds: float, printer: Printer) -> None:
    """Make a key, apply, follow the case to its delivery, write the certificate. Raises UserError and OperatorError."""
    case_id, application = uuid4(), example(type)
    customer = customer_of(application)
    # Keys of earlier runs stay.
    files = folder / str(case_id)[:8]
    with file_errors("written", files, "choose another --folder"):
        files.mkdir(parents=True)
    csr = read_csr(await openssl.make_request(openssl.RSA_3072, "example", files, type))
    opened = customer.opened(application.applicant.business_id, application.unit_long_name)
    await kafka.publish(place, opened, customer.submitted(case_id, application, csr))
    case = await _followed(place, case_id, seconds, printer)
    if case.state is not CaseState.DELIVERED:
        codes = ", ".join(each.code for each in case.deficiencies)
        raise UserError(f"The case {case_id} is {case.state} ({codes}): see `servicecert cases open {case_id}`.")
    shown: list[tuple[str, object]] = [("certificate", "in the mail"), ("key", files / f"{type}.key")]
    if case.certificate and (found := _mailed(case.certificate.fingerprint)):
        pem = files / f"{type}.pem"
        pem.write_text(ssl.DER_cert_to_PEM_cert(found[1]))
        shown = [("certificate", pem), shown[1], ("mail", found[0]), ("next", f"openssl x509 -in {pem} -noout -text")]
    printer.blank()
    account = f"servicecert cases --account {customer.account_id}"
    for label, value in (*shown, ("next", f"servicecert cases open {case_id}"), ("next", account)):
        # Not wrapped: paths and commands are to be copied whole.
        printer.line("    ", Text(f"{label:<12}{value}"))


async def _followed(place: Cluster, case_id: UUID, seconds: float, printer: Printer) -> CaseChanged:
    """Print the states of a case as they come; return it at its end. Raises UserError after so many seconds."""
    shown, state = 0, "not received by intake"
    async with aclosing(changes(place, case_id, seconds)) as views:
        async for case in views:
            printer.states(case, shown)
            shown, state = len(case.history), case.state
            if case.state in _ENDS:
                return case
    raise UserError(f"After {seconds:g} s the case {case_id} is {state}: look at `servicecert lag` and the logs.")


def _mailed(fingerprint: str) -> tuple[Path, bytes] | None:
    """Return the mail that brought the certificate, and it; None where no mail catcher of this machine has it."""
    folder = os.environ.get(MAIL_FOLDER)
    for path in sorted(Path(folder).glob("*.eml")) if folder else ():
        for part in message_from_bytes(path.read_bytes(), policy=policy.default).iter_attachments():
            content = part.get_payload(decode=True)
            if isinstance(content, bytes) and sha256(content).hexdigest() == fingerprint:
                return path, content
    return None
