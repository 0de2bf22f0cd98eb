"""I10, E3: no keys and no personal data in output. Searches a system after faults, poison records and wrong secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import asyncpg
import psutil
import psycopg
import pytest
import pytest_asyncio
from asn1crypto import pem
from chaos.idle import IdleCheck
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from journeys import stored_data
from journeys.client import PATIENCE_SECONDS
from journeys.conftest import CompletedRun
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.operations.applications import customer_of, example
from servicecert_cli.stand.system import System, service_of
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.keyring import read_passphrases
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import Record
from servicecert_schemas.customer import record_of
from servicecert_schemas.values import CertificateType

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

PEOPLE = (
    b"Saga P\xc3\xa5hittad",
    b"Urho Keksitty",
    b"Taru Tarinainen",
    b"Impi Olematon",
    b"Urho Kuviteltu",
    b"Aava Unelma",
    b"Into Kuvitelma",
    b"saga.pahittad",
    b"urho.keksitty",
    b"taru.tarinainen",
    b"impi.olematon",
    b"urho.kuviteltu",
    b"aava.unelma",
    b"into.kuvitelma",
    b"tekniikka@",
)
"""All persons in the examples' applications, and the local parts of their addresses."""


def secrets(system: System) -> Iterator[tuple[str, bytes]]:
    """Yield all secrets: passphrases, passwords of the database, private keys in several forms."""
    passphrases = read_passphrases(system.passphrase_file)
    yield from ((f"the passphrase of {name}", secret) for name, secret in passphrases.items())
    for service, url in {**system.urls, "the administrator": system.backends.admin_url}.items():
        password = urlsplit(url).password
        assert password
        yield f"the database password of {service}", unquote(password).encode()
    folders = (system.ca_folder, offline_folder(system.ca_folder))
    for path in (path for folder in folders for path in (folder / "keys").iterdir()):
        encrypted = path.read_bytes()
        yield f"the encrypted key {path.name}", encrypted.splitlines()[3]
        yield f"the encrypted key {path.name}, in DER", pem.unarmor(encrypted)[2][100:140]
        environment = path.stem.partition("-")[0]
        secret = next(value for name, value in passphrases.items() if str(name) == environment)
        yield from _forms(path.name, encrypted, secret)


def _forms(name: str, encrypted: bytes, passphrase: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the private number of a key (raw, hexadecimal, decimal), and its PEM."""
    key = load_pem_private_key(encrypted, passphrase)
    number = key.private_numbers()
    secret = getattr(number, "private_value", None) or number.d
    raw = secret.to_bytes((secret.bit_length() + 7) // 8)
    yield f"the key {name}", raw[:24]
    yield f"the key {name} in hexadecimal", raw[:24].hex().encode()
    yield f"the key {name} in decimal", str(secret)[:40].encode()
    clear = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    yield f"the key {name} in PEM", clear.splitlines()[3]


def occurrences(patterns: Iterator[tuple[str, bytes]], places: Mapping[str, bytes]) -> list[str]:
    """Return which pattern is in which place."""
    return [
        f"{what} is in {place}" for what, secret in patterns for place, content in places.items() if secret in content
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faulty(completed_run: CompletedRun, tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """The system after poison records with personal data, lost connections, and workers that could not start."""
    system = completed_run.testbed.system
    await _send_poison_with_people(system)
    await _send_private_keys(system)
    wrong = tmp_path_factory.mktemp("wrong") / "passphrases"
    wrong.touch(mode=0o600)
    wrong.write_bytes(system.passphrase_file.read_bytes().replace(b"=", b"=not-"))
    log = await _fail(system, "issuer-wrong", SERVICECERT_CA_PASSPHRASE_FILE=str(wrong))
    assert b"passphrase does not open" in log
    log = await _fail(system, "notifier-wrong", DATABASE_URL=system.urls["notifier"].replace("@", "not@"))
    assert b"refuses the password" in log
    with psycopg.connect(system.backends.admin_url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    await asyncio.to_thread(system.children["issuer"].kill)
    system.start("issuer")
    await system.ready(*system.children)
    await IdleCheck(system, completed_run.testbed.traffic).wait()
    return completed_run


async def _send_poison_with_people(system: System) -> None:
    """Send applications with names and addresses in fields that the schema restricts, and a truncated one."""
    application = example(CertificateType.SERVER)
    event = customer_of(application).submitted(uuid4(), application, None)
    good = record_of(event)
    name, address = application.orderer.name, application.orderer.email
    values = [
        good.value.replace(b'"sv"', f'"{name}"'.encode()),
        good.value.replace(b'"substantial"', f'"{address}"'.encode()),
        good.value.replace(b'"names":', f'"names": "{name}", "x":'.encode()),
        good.value[:-20],
    ]
    records = [_with_value(record_of(event), value) for value in values]
    async with kafka.producer(system.cluster_of(Principal.E_SERVICE)) as producer:
        await send(producer, system.cluster, records)


_STATE = "select state::text from intake.cases where case_id = $1"

SENT = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
"""A private key that a customer sends instead of a request."""


async def _send_private_keys(system: System) -> None:
    """Send a private key as a request, in an event without a case, and in a truncated one."""
    application = example(CertificateType.SERVER)
    customer = customer_of(application)
    case_id = uuid4()
    events = [customer.submitted(case_id, application, SENT), customer.attached(uuid4(), SENT)]
    sent = [record_of(event) for event in events]
    whole = record_of(events[0])
    cut = _with_value(whole, whole.value[:-20])
    async with kafka.producer(system.cluster_of(Principal.E_SERVICE)) as producer:
        await send(producer, system.cluster, [*sent, cut])
    await _returned(system, case_id)


def _with_value(record: Record, value: bytes) -> Record:
    """Return the record with another value and key; its event id must be unique, or it would count as a copy."""
    return Record(record.topic, str(uuid4()).encode(), record.headers, value)


async def _returned(system: System, case_id: UUID) -> None:
    """Wait until intake has returned a case."""
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await connection.fetchval(_STATE, str(case_id)) != "returned":  # noqa: ASYNC110  -- the database's
                await asyncio.sleep(0.1)
    finally:
        connection.terminate()


async def _fail(system: System, name: str, **environment: str) -> bytes:
    """Return the log of a worker that cannot start with these settings."""
    child = system.start(name, **environment)
    assert await asyncio.to_thread(child.wait, 60) != 0
    del system.children[name]
    return system.log(name).read_bytes()


async def test_I10_no_key_passphrase_or_password_is_in_a_log_metric_event_row_mail_or_crl(faulty: CompletedRun) -> None:
    system = faulty.testbed.system
    places = {
        **await stored_data.logs(system),
        **await stored_data.stores(system),
        **stored_data.files(system.mail_folder),
        **stored_data.files(system.crl_folder),
    }
    assert not occurrences(secrets(system), places)


async def test_I10_a_private_key_that_a_customer_sends_stays_in_what_the_customer_sent(faulty: CompletedRun) -> None:
    system = faulty.testbed.system
    places = {
        **await stored_data.logs(system),
        **await stored_data.stores(system),
        **stored_data.files(system.mail_folder),
        **stored_data.files(system.crl_folder),
    }
    lines = [line.encode() for line in SENT.splitlines() if "-----" not in line]
    raw = pem.unarmor(SENT.encode())[2]
    patterns = [
        ("the key in PEM", lines[0][20:50]),
        ("the key in PEM, in hexadecimal", lines[0][20:50].hex().encode()),
        ("the key in DER", raw[40:70]),
        ("the key in hexadecimal", raw[40:70].hex().encode()),
    ]
    assert occurrences(iter(patterns), places) == ["the key in PEM is in topic applications"]
    assert b"csr-is-private-key" in places["topic cases"]


async def test_E3_no_person_is_in_a_log_a_metric_or_a_parked_record_s_error(faulty: CompletedRun) -> None:
    stores = await stored_data.stores(faulty.testbed.system)
    parked = {
        name: content for name, content in stores.items() if name.endswith(".parked") and name.startswith("topic")
    }
    assert len(parked) == 4
    assert b"wrong-schema" in parked["topic intake.parked"]
    assert not occurrences(
        ((str(person), person) for person in PEOPLE), {**await stored_data.logs(faulty.testbed.system), **parked}
    )


async def test_the_search_finds_what_is_there(faulty: CompletedRun) -> None:
    system = faulty.testbed.system
    stores = await stored_data.stores(system)
    assert {"topic applications", "topic cases", "table intake.cases"} <= {
        place for place, content in stores.items() if PEOPLE[0] in content
    }
    certificate = next(iter((await faulty.testbed.evidence()).topics.cases.values()))
    serial = next(iter(certificate.issued.values())).serial.encode()
    assert {"topic certificates", "table issuer.certificates"} <= {
        place for place, content in stores.items() if serial in content
    }
    assert all(content for place, content in (await stored_data.logs(system)).items())


async def test_I10_no_secret_is_in_a_process_s_arguments_and_no_key_or_passphrase_in_its_environment(
    faulty: CompletedRun,
) -> None:
    system = faulty.testbed.system
    processes = [psutil.Process(), *(psutil.Process(child.pid) for child in system.children.values())]
    processes += [child for process in processes for child in process.children(recursive=True)]
    arguments: dict[str, bytes] = {}
    environments: dict[str, bytes] = {}
    for it in processes:
        with suppress(psutil.NoSuchProcess):  # A backend of the database may have ended meanwhile.
            arguments[f"the arguments of {it.pid}"] = " ".join(it.cmdline()).encode()
            environments[f"the environment of {it.pid}"] = " ".join(it.environ().values()).encode()
    assert {f"the environment of {child.pid}" for child in system.children.values()} <= set(environments)
    assert not occurrences(secrets(system), arguments)
    of_the_ca = [(what, secret) for what, secret in secrets(system) if not what.startswith("the database")]
    assert not occurrences(iter(of_the_ca), environments)


async def test_I10_only_issuer_and_revoker_are_told_where_the_keys_are(faulty: CompletedRun) -> None:
    system = faulty.testbed.system
    knows = {
        name: {str(system.ca_folder), str(system.passphrase_file)} & set(psutil.Process(child.pid).environ().values())
        != set()
        for name, child in system.children.items()
    }
    assert knows == {name: service_of(name) in ("issuer", "revoker") for name in system.children}
