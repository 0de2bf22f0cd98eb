"""Records `cases` from a whole system, every state in each language, for tests of a portal without a broker.

Each language has another type of certificate; an event of a case that nobody knows is refused.

PYTHONPATH=tests .venv/bin/python -m contracts.recorded writes the files in schemas/packages that are not by hand.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from chaos.customers import customers
from journeys.client import CustomerClient, connected_client
from servicecert_cli.demo.applications import mistaken
from servicecert_cli.operations.applications import customer_of, example
from servicecert_cli.stand.system import System
from servicecert_cli.stand.topic_reader import SeenRecord
from servicecert_schemas.case import CaseChanged, CaseState, EventRefused
from servicecert_schemas.event import Assurance
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.topics import CASES
from servicecert_schemas.values import CertificateType, Language

PACKAGES = Path(__file__).parents[2] / "schemas" / "packages"
STREAM, KEY = PACKAGES / "cases.jsonl", PACKAGES / "intake.pub"
TYPES = dict(zip(Language, CertificateType, strict=False))
"""The type of certificate of each language's cases."""


def line(seen: SeenRecord) -> str:
    """Return a record as a line of JSON: its value is a text, so that its signature verifies."""
    record = seen.record
    assert record.key is not None
    assert record.value is not None
    headers = {name: (raw or b"").decode() for name, raw in record.headers}
    content = {"topic": seen.topic, "key": record.key.decode(), "headers": headers, "value": record.value.decode()}
    return json.dumps(content, ensure_ascii=False) + "\n"


async def tell(client: CustomerClient, language: Language) -> UUID:
    """Have a case in each state but lapsed; return one that waits for its request."""
    form = example(TYPES[language]).model_copy(update={"language": language})
    customer = customer_of(form)
    revoked, withdrawn, refused, waiting = (uuid4() for _ in range(4))
    wrong = mistaken(form).model_copy(update={"follows": "4d8a31f07c5be294"})
    await client.send(customer.submitted(revoked, wrong, None))
    await client.view(revoked, CaseState.RETURNED)
    await client.send(customer.supplemented(revoked, form, None))
    await client.view(revoked, CaseState.WAITING_FOR_CSR)
    await client.send(customer.attached(revoked, client.request(TYPES[language])))
    case = await client.view(revoked, CaseState.DELIVERED)
    assert case.certificate is not None
    await client.send(customer.revocation(revoked, case.certificate.serial, RevocationReason.PRIVILEGE_WITHDRAWN))
    await client.witness.until(CaseChanged, lambda view: view.case_id == revoked and view.answer is not None)
    await client.send(customer.revocation(revoked, case.certificate.serial, RevocationReason.NO_LONGER_NEEDED))
    await client.view(revoked, CaseState.REVOKED)
    await client.send(customer.submitted(withdrawn, form, None), customer.withdrawn(withdrawn))
    await client.view(withdrawn, CaseState.WITHDRAWN)
    await client.send(customer.model_copy(update={"assurance": Assurance.LOW}).submitted(refused, form, None))
    await client.view(refused, CaseState.REFUSED)
    await client.send(customer.submitted(waiting, form, None))
    await client.view(waiting, CaseState.WAITING_FOR_CSR)
    return waiting


async def record(folder: Path) -> None:
    """Write the stream and the key that signs it."""
    async with System(folder) as system, connected_client(system, await customers()) as client:
        waiting = [await tell(client, language) for language in Language]
        await client.send(customer_of(example(TYPES[Language.ENGLISH])).withdrawn(uuid4()))
        await client.witness.until(EventRefused, lambda _: True)
        lapses = (await client.view(waiting[-1], CaseState.WAITING_FOR_CSR)).lapses
        assert lapses is not None
        ahead = lapses - datetime.now(UTC) + timedelta(hours=2)
        await asyncio.to_thread(system.children["intake"].stop)
        system.start("intake", SERVICECERT_CLOCK_AHEAD=f"{ahead.total_seconds():.0f}")
        for case_id in waiting:
            await client.view(case_id, CaseState.LAPSED)
        STREAM.write_text("".join(line(seen) for seen in client.witness.seen if seen.topic == CASES.name))
        shutil.copyfile(system.keys_folder / "intake.pub", KEY)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(record(Path(folder) / "system"))
