"""Runs the examples of docs/for-the-e-service.md unchanged, against a whole system with TLS and rights."""

import asyncio
import json
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import kafka_tools
import pytest
from aiokafka import AIOKafkaProducer
from contracts.conftest import Trial
from contracts.members import NEWER
from identities import Identities
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.codec import to_record
from servicecert_schemas.export import EXPORTED
from servicecert_schemas.topics import CATALOGUE

PAGE = (Path(__file__).parents[2] / "docs" / "for-the-e-service.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = {
    "e_service.py": "CONNECTION = ",
    "submit.py": "USER.submitted(",
    "page.py": "async def cases_of",
    "revoke.py": "USER.revocation(",
}
"""The file of each example, and a text that no other block has."""
REQUEST, FOLLOW = "openssl req -new", "console-consumer"
GRANTED, RETURNED = "", ".returned"
PATIENCE_SECONDS = 90.0

pytestmark = pytest.mark.asyncio(loop_scope="module")


def shown(language: str, word: str) -> str:
    """Return the only block of the page in that language that has the word."""
    (block,) = [text for name, text in BLOCKS if name == language and word in text]
    return str(block)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kafka_tools.install(tmp_path_factory.mktemp("kafka"), "kafka-console-consumer.sh")


@pytest.fixture
def workdir(tmp_path: Path, tools: Path) -> Path:
    """A folder with the page's Python files and form, and a command named as in Kafka's distribution."""
    (tmp_path / "bin").symlink_to(tools)
    (tmp_path / "form.json").write_text(shown("json", "applicant"))
    for name, word in PYTHON.items():
        (tmp_path / name).write_text(shown("python", word))
    return tmp_path


async def shell(trial: Trial, workdir: Path, word: str) -> str:
    return await trial.run(workdir, "sh", "-eu", "-c", shown("sh", word))


async def granted(trial: Trial, workdir: Path, case_id: str, state: str) -> str:
    """Return the serial number that the customer's page shows of a granted case once it is in a state."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for line in (await trial.run(workdir, "python", "page.py", "account-3107")).splitlines():
                if line.split()[:3] == ["granted", case_id, state]:
                    return line.split()[3]


async def publish(trial: Trial, case: CaseChanged, *, erased: bool = False) -> None:
    """Publish a view as intake does."""
    record = to_record(case, source="/intake", id=uuid4(), time=datetime.now(UTC))
    record = Identities(trial.system.keys_folder).signed(record)
    value = None if erased else record.value
    async with AIOKafkaProducer(**trial.system.cluster_of(Principal.INTAKE).client) as producer:
        await producer.send_and_wait(record.topic, value, key=record.key, headers=record.headers)


def view(case_id: UUID, version: int, state: str, record: str, account: str = "account-3107") -> CaseChanged:
    stored = json.loads((EXPORTED / "examples" / f"{CaseChanged.TYPE}{record}.json").read_text())["value"]
    about = {"case_id": str(case_id), "account_id": account, "version": version, "state": state}
    return CaseChanged.model_validate_json(json.dumps({**stored, **about}))


async def test_E4_the_python_examples_lead_to_a_certificate_and_to_its_revocation(trial: Trial, workdir: Path) -> None:
    await shell(trial, workdir, REQUEST)
    case_id = (await trial.run(workdir, "python", "submit.py")).strip()
    serial = await granted(trial, workdir, case_id, "delivered")
    await trial.run(workdir, "python", "revoke.py", case_id, serial)
    assert await granted(trial, workdir, case_id, "revoked") == serial


async def test_E4_what_can_be_foreseen_ends_the_python_examples_in_its_sentence(trial: Trial, workdir: Path) -> None:
    await shell(trial, workdir, REQUEST)
    (workdir / "wrong").write_text("mistyped")
    for changed, said in (
        ("KAFKA_SASL_USERNAME", "KeyError: 'KAFKA_SASL_USERNAME'"),
        ("KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1", "KafkaConnectionError: Unable to bootstrap from"),
        ("KAFKA_CA_FILE=absent", "FileNotFoundError: [Errno 2] No such file or directory: 'absent'"),
        ("KAFKA_SASL_PASSWORD_FILE=wrong", "SaslAuthenticationFailed"),
    ):
        given = [changed] if "=" in changed else ["-u", changed]
        process = await trial.start(workdir, "env", *given, "python", "submit.py")
        _, err = await process.communicate()
        assert (process.returncode, said in err.decode(), "Traceback" in err.decode()) == (1, True, False), err


async def test_E1_the_cases_are_seen_with_the_console_tool(trial: Trial, workdir: Path) -> None:
    await shell(trial, workdir, REQUEST)
    case_id = (await trial.run(workdir, "python", "submit.py")).strip()
    process = await trial.start(workdir, "sh", "-eu", "-c", shown("sh", FOLLOW))
    assert process.stdout is not None
    state = ""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while state != "delivered":
                key, _, value = (await process.stdout.readline()).partition(b"\t")
                assert value, "the console tool ended"
                state = json.loads(value)["state"] if key.decode() == case_id else state
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.communicate()


async def test_E4_the_customers_page_is_drawn_from_the_cases_alone(trial: Trial, workdir: Path) -> None:
    account = f"account-{uuid4()}"
    held, unfinished, closed, erased, foreign, newer = (uuid4() for _ in range(6))
    for case in (
        view(held, 1, "accepted", GRANTED, account),
        view(erased, 1, "delivered", GRANTED, account),
        view(unfinished, 2, "returned", RETURNED, account),
        view(closed, 1, "withdrawn", RETURNED, account),
        view(foreign, 1, "delivered", GRANTED),
        view(newer, 1, NEWER, RETURNED, account),
        view(held, 3, "delivered", GRANTED, account),
        view(held, 2, "issued", GRANTED, account),
        view(unfinished, 2, "returned", RETURNED, account),
    ):
        await publish(trial, case)
    await publish(trial, view(erased, 2, "delivered", GRANTED, account), erased=True)
    output = await trial.run(workdir, "python", "page.py", account)
    assert sorted(line.split()[:3] for line in output.splitlines()) == [
        ["granted", str(held), "delivered"],
        *sorted(["unfinished", str(case_id), state] for case_id, state in ((unfinished, "returned"), (newer, NEWER))),
    ]


async def test_every_block_of_the_page_is_run() -> None:
    run = [shown("json", "applicant")]
    run += [shown("python", word) for word in PYTHON.values()]
    run += [shown("sh", word) for word in (REQUEST, FOLLOW)]
    assert sorted(run) == sorted(text for _, text in BLOCKS)


async def test_the_page_names_every_state_and_every_topic_of_the_e_service() -> None:
    for state in CaseState:
        assert f"| `{state}` |" in PAGE
    for topic in CATALOGUE:
        if "e-service" in topic.writers:
            for event in topic.events:
                assert f"`{event.TYPE.removeprefix('servicecert.').removesuffix('.v1')}`" in PAGE
                assert f"`{topic.name}`" in PAGE
