"""Runs the examples of docs/for-the-e-service.md unchanged, against a real broker."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import kafka_tools
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from contracts.members import NEWER
from cryptography import x509
from servicecert_cli.admin.topics import create as create_topics
from servicecert_launcher import Kafka
from servicecert_schemas.application import ApplicationSubmitted
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.codec import decode, to_record
from servicecert_schemas.export import EXPORTED
from servicecert_schemas.topics import ACCOUNTS, APPLICATIONS, CASES, CATALOGUE
from servicecert_worker.kafka.cluster import Cluster

PAGE = (Path(__file__).parents[2] / "docs" / "for-the-e-service.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
GRANTED, RETURNED = "", ".returned"


def shown(language: str, word: str) -> str:
    """Return the only block of the page in that language that has the word."""
    (block,) = [text for name, text in BLOCKS if name == language and word in text]
    return str(block)


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    """The address of a broker with the topics of the page: a new one, unless the environment names one."""
    address = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    kafka = Kafka()
    try:
        if address is None:
            kafka.start()
            address = kafka.bootstrap
        asyncio.run(create_topics(Cluster(address), [ACCOUNTS, APPLICATIONS, CASES]))
        yield address
    finally:
        kafka.stop()


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kafka_tools.install(
        tmp_path_factory.mktemp("kafka"), "kafka-console-producer.sh", "kafka-console-consumer.sh"
    )


@pytest.fixture
def workdir(tmp_path: Path, bootstrap: str, tools: Path) -> Path:
    """A folder with the page's request, and commands named as in Kafka's distribution."""
    (tmp_path / "bin").symlink_to(tools)
    return tmp_path


async def start(workdir: Path, bootstrap: str, *command: str) -> asyncio.subprocess.Process:
    path = f"{workdir / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KAFKA_BOOTSTRAP_SERVERS": bootstrap}
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=workdir,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def run(workdir: Path, bootstrap: str, *command: str) -> str:
    """Return the output of a command that must succeed."""
    process = await start(workdir, bootstrap, *command)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def shell(workdir: Path, bootstrap: str, block: str) -> str:
    return await run(workdir, bootstrap, "sh", "-eu", "-c", block)


async def published(bootstrap: str, case_id: UUID) -> ApplicationSubmitted:
    """Return the application of that case, as intake reads it."""
    async with (
        AIOKafkaConsumer(APPLICATIONS.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer,
        asyncio.timeout(60),
    ):
        async for record in consumer:
            if record.key == str(case_id).encode():
                envelope, data = decode(record.topic, record.key, record.headers, record.value)
                assert isinstance(data, ApplicationSubmitted)
                assert envelope.source == "/e-service"
                return data
    raise AssertionError("unreachable: the consumer does not end by itself")


async def publish(bootstrap: str, case: CaseChanged, *, erased: bool = False) -> None:
    record = to_record(case, source="/intake", id=uuid4(), time=datetime.now(UTC))
    value = None if erased else record.value
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(record.topic, value, key=record.key, headers=record.headers)


def view(case_id: UUID, version: int, state: str, record: str, account: str = "account-3107") -> CaseChanged:
    stored = json.loads((EXPORTED / "examples" / f"{CaseChanged.TYPE}{record}.json").read_text())["value"]
    about = {"case_id": str(case_id), "account_id": account, "version": version, "state": state}
    return CaseChanged.model_validate_json(json.dumps({**stored, **about}))


def is_the_application(data: ApplicationSubmitted) -> None:
    """Assert the application that both examples of the page send."""
    assert data.form.names.dns == ("kanta.laakaritalo.example.fi",)
    assert data.form.unit_long_name == "Exempelby läkarstation"
    assert data.form.technical_contact.organisation == "Esimerkkiylläpito Oy"


async def test_A1_an_application_from_python_arrives(workdir: Path, bootstrap: str) -> None:
    await shell(workdir, bootstrap, shown("sh", "openssl req -new"))
    (workdir / "submit.py").write_text(shown("python", "AIOKafkaProducer"))
    case_id = UUID((await run(workdir, bootstrap, sys.executable, "submit.py")).strip())
    data = await published(bootstrap, case_id)
    is_the_application(data)
    assert data.csr is not None
    assert x509.load_pem_x509_csr(data.csr.encode()).is_signature_valid


async def test_A1_an_application_from_the_console_tools_arrives(workdir: Path, bootstrap: str) -> None:
    await shell(workdir, bootstrap, shown("sh", "openssl req -new"))
    case_id = UUID((await shell(workdir, bootstrap, shown("sh", "kafka-console-producer"))).split()[-1])
    is_the_application(await published(bootstrap, case_id))


async def test_E4_the_customers_page_is_drawn_from_the_cases_alone(workdir: Path, bootstrap: str) -> None:
    account = f"account-{uuid4()}"
    granted, unfinished, closed, erased, foreign, newer = (uuid4() for _ in range(6))
    (workdir / "page.py").write_text(shown("python", "async def cases_of"))
    for case in (
        view(granted, 1, "accepted", GRANTED, account),
        view(erased, 1, "delivered", GRANTED, account),
        view(unfinished, 2, "returned", RETURNED, account),
        view(closed, 1, "withdrawn", RETURNED, account),
        view(foreign, 1, "delivered", GRANTED),
        view(newer, 1, NEWER, RETURNED, account),
        view(granted, 3, "delivered", GRANTED, account),
        view(granted, 2, "issued", GRANTED, account),
        view(unfinished, 2, "returned", RETURNED, account),
    ):
        await publish(bootstrap, case)
    await publish(bootstrap, view(erased, 2, "delivered", GRANTED, account), erased=True)
    output = await run(workdir, bootstrap, sys.executable, "page.py", account)
    assert sorted(line.split()[:4] for line in output.splitlines()) == [
        ["granted", str(granted), "server", "delivered"],
        *sorted(
            ["unfinished", str(case_id), "system-signature", state]
            for case_id, state in ((unfinished, "returned"), (newer, NEWER))
        ),
    ]


async def test_E1_the_cases_are_seen_with_the_console_tools(workdir: Path, bootstrap: str) -> None:
    case_id = uuid4()
    await publish(bootstrap, view(case_id, 1, "returned", RETURNED))
    process = await start(workdir, bootstrap, "sh", "-eu", "-c", shown("sh", "kafka-console-consumer"))
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while not (line := await process.stdout.readline()).startswith(str(case_id).encode()):
                assert line, "the console tool ended"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.communicate()
    assert json.loads(line.partition(b"\t")[2])["state"] == "returned"


def test_the_page_names_every_state_and_every_topic_of_the_e_service() -> None:
    for state in CaseState:
        assert f"| `{state}` |" in PAGE
    for topic in CATALOGUE:
        if "e-service" in topic.writers:
            for event in topic.events:
                assert f"`{event.TYPE.removeprefix('servicecert.').removesuffix('.v1')}`" in PAGE
                assert f"`{topic.name}`" in PAGE
