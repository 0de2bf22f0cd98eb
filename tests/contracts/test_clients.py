"""The clients of examples/ in other languages, at a whole system with TLS and rights."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer
from contracts.conftest import Trial
from servicecert_launcher import MissingPart, java
from servicecert_schemas.topics import ACCOUNTS, APPLICATIONS, REVOCATIONS
from servicecert_worker.core.service_keys import make_keys
from servicecert_worker.kafka.partitioner import partition_for

EXAMPLES = Path(__file__).parents[2] / "examples"
JARS = Path(__file__).with_name("java.sha256")
"""What pom.xml of examples/java needs, and a compiler."""
MOST_CSR_CHARACTERS = 65_536
REQUEST = (
    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -noenc -keyout server.key -out request.pem"
)
REQUESTED_KEY = "openssl req -in request.pem -noout -pubkey"
CERTIFIED_KEY = "openssl x509 -inform DER -in certificate.der -noout -pubkey"

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.long]


class Client(NamedTuple):
    """The folder of a client, the programs that it needs, how it is built, and how its story is told."""

    folder: str
    programs: tuple[str, ...]
    build: str
    run: str


def without_jdk() -> Client:
    """Return the client in Java by the product's own Java, and Eclipse's compiler, which that lacks."""
    path = java.class_path(java.CACHES / "client", print, JARS)
    compiler = ("org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-d", "target/classes", "-cp", path)
    compiled, told = java.command(path, *compiler, "src/main/java"), java.command(f"target/classes:{path}", "Story")
    return Client("java", (), shlex.join(compiled), f"{shlex.join(told)} {{request}}")


CLIENTS: dict[str, Callable[[], Client]] = {
    "node": lambda: Client("node", ("node", "npm"), "npm ci", "node story.mjs {request}"),
    "java": lambda: Client("java", ("javac", "mvn"), "mvn -B -q compile", "mvn -B -q exec:java -Dexec.args={request}"),
    "java-without-jdk": without_jdk,
}


async def told(trial: Trial, folder: Path, command: str, **environment: str) -> tuple[int | None, str]:
    """Return the exit code and all output of a command."""
    given = [f"{name}={value}" for name, value in environment.items()]
    process = await trial.start(folder, "env", *given, "sh", "-c", f"exec {command} 2>&1")
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def assert_partitioned_like_java(trial: Trial) -> None:
    """Assert of all that was written so far that its partition is the one of its key."""
    topics = [topic.name for topic in (ACCOUNTS, APPLICATIONS, REVOCATIONS)]
    async with AIOKafkaConsumer(*topics, **trial.system.cluster.client, auto_offset_reset="earliest") as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while [place for place, end in ends.items() if await consumer.position(place) < end]:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                expected = {partition_for(record.key, range(ACCOUNTS.partitions), ()) for record in records}
                assert expected == {place.partition}


@pytest.mark.parametrize("which", CLIENTS)
async def test_E4_a_client_in_another_language_gets_a_certificate_and_revokes_it(
    trial: Trial, which: str, tmp_path: Path
) -> None:
    try:
        client = CLIENTS[which]()
    except MissingPart as missing:
        pytest.skip(f"the client in Java was not run without a JDK: {missing}")
    for program in client.programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed, so the client of examples/{client.folder} was not run")
    folder = tmp_path / client.folder
    shutil.copytree(EXAMPLES / client.folder, folder, ignore=shutil.ignore_patterns("node_modules", "target"))
    code, output = await told(trial, folder, client.build)
    assert "COMPILATION ERROR" not in output, output
    if code != 0:
        pytest.skip(f"examples/{client.folder} was not run, since its packages cannot be had: {output[-300:]}")
    await trial.run(folder, *REQUEST.split(), "-subj", "/CN=example")
    given = {"SCHEMAS_FOLDER": str(EXAMPLES.parent / "schemas" / "servicecert_schemas" / "exported")}
    code, output = await told(trial, folder, client.run.format(request="request.pem"), **given)
    assert code == 0, output
    states = re.findall(r"^(returned|waiting-for-csr|delivered|revoked)\b", output, re.MULTILINE)
    assert states == ["returned", "waiting-for-csr", "delivered", "revoked"]
    assert "unit-not-found" in output
    assert re.search(r"^CN=kanta\..*,serialNumber=9900001-8,OU=.*,O=.*,C=FI ", output, re.MULTILINE)
    certified = await trial.run(folder, *CERTIFIED_KEY.split())
    assert certified == await trial.run(folder, *REQUESTED_KEY.split())
    await assert_partitioned_like_java(trial)

    (folder / "wrong").write_text("mistyped")
    for request, said, more in (
        ("", r"usage: ", {}),
        ("server.key", r"server\.key holds a private key", {}),
        ("request.pem", r"KAFKA_BOOTSTRAP_SERVERS is not set: \. var/up/environment", {"KAFKA_BOOTSTRAP_SERVERS": ""}),
        ("absent.pem", r"absent\.pem", {}),
        ("request.pem", r"^\S+: .*[Aa]uthentication failed", {"KAFKA_SASL_PASSWORD_FILE": "wrong"}),
    ):
        code, output = await told(trial, folder, client.run.format(request=request), **given, **more)
        assert code != 0
        assert re.search(said, output, re.MULTILINE), output
        assert not re.search(r"^ +at ", output, re.MULTILINE), "a stack"

    (folder / "long.pem").write_text("-" * (MOST_CSR_CHARACTERS + 1))
    code, output = await told(trial, folder, client.run.format(request="long.pem"), **given)
    assert code != 0
    assert re.search(r"servicecert\.application\.csr-attached\.v1: .*csr", output)

    make_keys(folder / "keys", ["intake"])
    given["SERVICECERT_SERVICE_KEYS"] = str(folder / "keys")
    code, output = await told(trial, folder, client.run.format(request="request.pem"), **given)
    assert code != 0
    assert "is not signed by the pinned key" in output
