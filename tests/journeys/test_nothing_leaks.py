"""I10: keys stay home; E3: personal data stay out of what is said. A system that had faults, poison and a wrong passphrase is searched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import asyncpg
import psutil
import psycopg
import pytest
import pytest_asyncio
from asn1crypto import pem
from chaos.customers import customer_of
from chaos.quiet import Quiet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from journeys import everything
from journeys.conftest import Played
from journeys.desk import PATIENCE_SECONDS
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.e_service.application import example
from servicecert_cli.e_service.publishing import E_SERVICE
from servicecert_cli.stand.system import System, service_of
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.keyring import read_passphrases
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.values import CertificateType

pytestmark = pytest.mark.asyncio(loop_scope="module")

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
"""All who are named in the examples' applications, and their addresses before the at sign."""


def secrets(system: System) -> Iterator[tuple[str, bytes]]:
    """What must never be seen: passphrases, passwords of the database, private keys in whatever form."""
    passphrases = read_passphrases(system.passphrase_file)
    yield from ((f"the passphrase of {name}", secret) for name, secret in passphrases.items())
    for service, url in {**system.urls, "the administrator": system.place.admin_url}.items():
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
    """The secret number of a key: raw, in hexadecimal, in decimal."""
    key = load_pem_private_key(encrypted, passphrase)
    number = key.private_numbers()
    secret = getattr(number, "private_value", None) or number.d
    raw = secret.to_bytes((secret.bit_length() + 7) // 8)
    yield f"the key {name}", raw[:24]
    yield f"the key {name} in hexadecimal", raw[:24].hex().encode()
    yield f"the key {name} in decimal", str(secret)[:40].encode()
    clear = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    yield f"the key {name} in PEM", clear.splitlines()[3]


def found(wanted: Iterator[tuple[str, bytes]], places: Mapping[str, bytes]) -> list[str]:
    """Which of what is wanted stands where."""
    return [
        f"{what} is in {place}" for what, secret in wanted for place, content in places.items() if secret in content
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faulty(played: Played, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The system after poison with people in it, lost connections, and workers that could not start."""
    system = played.scene.system
    await _send_poison_with_people(system)
    await _send_private_keys(system)
    wrong = tmp_path_factory.mktemp("wrong") / "passphrases"
    wrong.write_bytes(system.passphrase_file.read_bytes().replace(b"=", b"=not-"))
    said = await _fail(system, "issuer-wrong", SERVICECERT_CA_PASSPHRASE_FILE=str(wrong))
    assert b"passphrase does not open" in said
    said = await _fail(system, "notifier-wrong", DATABASE_URL=system.urls["notifier"].replace("@", "not@"))
    assert b"refuses the password" in said
    with psycopg.connect(system.place.admin_url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    await asyncio.to_thread(system.children["issuer"].kill)
    system.start("issuer")
    await system.ready(*system.children)
    await Quiet(system, played.scene.traffic).wait()
    return played


async def _send_poison_with_people(system: System) -> None:
    """Applications whose names and addresses stand where a schema forbids them, and one that is cut off."""
    application = example(CertificateType.SERVER)
    event = customer_of(application).submitted(uuid4(), application, None)
    good = to_record(event, source=E_SERVICE, id=uuid4(), time=datetime.now(UTC))
    name, address = application.orderer.name, application.orderer.email
    values = [
        good.value.replace(b'"sv"', f'"{name}"'.encode()),
        good.value.replace(b'"substantial"', f'"{address}"'.encode()),
        good.value.replace(b'"names":', f'"names": "{name}", "x":'.encode()),
        good.value[:-20],
    ]
    records = [
        _with_value(to_record(event, source=E_SERVICE, id=uuid4(), time=datetime.now(UTC)), value) for value in values
    ]
    async with kafka.producer(system.cluster) as producer:
        await send(producer, system.cluster, records)


_STATE = "select state::text from intake.cases where case_id = $1"

SENT = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
"""A private key that a customer sends instead of a request."""


async def _send_private_keys(system: System) -> None:
    """A private key as a request, in an event of no case, and in one that is cut off."""
    application = example(CertificateType.SERVER)
    customer = customer_of(application)
    case_id = uuid4()
    events = [customer.submitted(case_id, application, SENT), customer.attached(uuid4(), SENT)]
    sent = [to_record(event, source=E_SERVICE, id=uuid4(), time=datetime.now(UTC)) for event in events]
    whole = to_record(events[0], source=E_SERVICE, id=uuid4(), time=datetime.now(UTC))
    cut = _with_value(whole, whole.value[:-20])
    async with kafka.producer(system.cluster) as producer:
        await send(producer, system.cluster, [*sent, cut])
    await _returned(system, case_id)


def _with_value(record: Record, value: bytes) -> Record:
    """The record of an event of its own with another value and key: one with the id of another would be its copy."""
    return Record(record.topic, str(uuid4()).encode(), record.headers, value)


async def _returned(system: System, case_id: UUID) -> None:
    """Waits until intake has returned a case."""
    connection = await asyncpg.connect(system.place.admin_url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await connection.fetchval(_STATE, str(case_id)) != "returned":  # noqa: ASYNC110  -- the database's
                await asyncio.sleep(0.1)
    finally:
        connection.terminate()


async def _fail(system: System, name: str, **environment: str) -> bytes:
    """What a worker says that cannot start with these settings."""
    child = system.start(name, **environment)
    assert await asyncio.to_thread(child.wait, 60) != 0
    del system.children[name]
    return system.log(name).read_bytes()


async def test_I10_no_key_passphrase_or_password_is_in_a_log_metric_event_row_mail_or_crl(faulty: Played) -> None:
    system = faulty.scene.system
    places = {
        **await everything.logs(system),
        **await everything.stores(system),
        **everything.files(system.mail_folder),
        **everything.files(system.crl_folder),
    }
    assert not found(secrets(system), places)


async def test_I10_a_private_key_that_a_customer_sends_stays_in_what_the_customer_sent(faulty: Played) -> None:
    system = faulty.scene.system
    places = {
        **await everything.logs(system),
        **await everything.stores(system),
        **everything.files(system.mail_folder),
        **everything.files(system.crl_folder),
    }
    lines = [line.encode() for line in SENT.splitlines() if "-----" not in line]
    raw = pem.unarmor(SENT.encode())[2]
    wanted = [
        ("the key in PEM", lines[0][20:50]),
        ("the key in PEM, in hexadecimal", lines[0][20:50].hex().encode()),
        ("the key in DER", raw[40:70]),
        ("the key in hexadecimal", raw[40:70].hex().encode()),
    ]
    assert found(iter(wanted), places) == ["the key in PEM is in topic applications"]
    assert b"csr-is-private-key" in places["topic cases"]


async def test_E3_no_person_is_in_a_log_a_metric_or_a_parked_record_s_error(faulty: Played) -> None:
    stores = await everything.stores(faulty.scene.system)
    told = {name: content for name, content in stores.items() if name.endswith(".parked") and name.startswith("topic")}
    assert len(told) == 4
    assert b"wrong-schema" in told["topic intake.parked"]
    assert not found(
        ((str(person), person) for person in PEOPLE), {**await everything.logs(faulty.scene.system), **told}
    )


async def test_the_search_finds_what_is_there(faulty: Played) -> None:
    system = faulty.scene.system
    stores = await everything.stores(system)
    assert {"topic applications", "topic cases", "table intake.cases"} <= {
        place for place, content in stores.items() if PEOPLE[0] in content
    }
    certificate = next(iter((await faulty.scene.evidence()).topics.cases.values()))
    serial = next(iter(certificate.issued.values())).serial.encode()
    assert {"topic certificates", "table issuer.certificates"} <= {
        place for place, content in stores.items() if serial in content
    }
    assert all(content for place, content in (await everything.logs(system)).items())


async def test_I10_no_secret_is_in_a_process_s_arguments_and_no_key_or_passphrase_in_its_environment(
    faulty: Played,
) -> None:
    system = faulty.scene.system
    processes = [psutil.Process(), *(psutil.Process(child.pid) for child in system.children.values())]
    processes += [child for process in processes for child in process.children(recursive=True)]
    arguments: dict[str, bytes] = {}
    environments: dict[str, bytes] = {}
    for it in processes:
        with suppress(psutil.NoSuchProcess):  # A backend of the database may have ended meanwhile.
            arguments[f"the arguments of {it.pid}"] = " ".join(it.cmdline()).encode()
            environments[f"the environment of {it.pid}"] = " ".join(it.environ().values()).encode()
    assert {f"the environment of {child.pid}" for child in system.children.values()} <= set(environments)
    assert not found(secrets(system), arguments)
    of_the_ca = [(what, secret) for what, secret in secrets(system) if not what.startswith("the database")]
    assert not found(iter(of_the_ca), environments)


async def test_I10_only_issuer_and_revoker_are_told_where_the_keys_are(faulty: Played) -> None:
    system = faulty.scene.system
    told = {
        name: any(str(system.ca_folder) in value for value in psutil.Process(child.pid).environ().values())
        for name, child in system.children.items()
    }
    assert told == {name: service_of(name) in ("issuer", "revoker") for name in system.children}
