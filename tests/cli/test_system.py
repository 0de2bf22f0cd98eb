"""The whole system, on shared parts."""

import asyncio
import socket
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import publish
from servicecert_cli.faults import UserError
from servicecert_cli.operations.applications import colleague, example
from servicecert_cli.stand.samples import summed
from servicecert_cli.stand.system import System, worker_names
from servicecert_cli.stand.topic_reader import reading_topics
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.values import CertificateType
from servicecert_worker.kafka.cluster import Cluster

pytestmark = pytest.mark.long


@pytest.fixture
def system(parts, authority, tmp_path):
    return System(tmp_path, parts=parts, authority=authority)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(parts, authority, tmp_path_factory):
    """A system for the tests that leave it as it was."""
    async with System(tmp_path_factory.mktemp("running"), parts=parts, authority=authority) as system:
        yield system


async def topics(cluster):
    async with kafka.admin(Cluster(cluster.bootstrap)) as admin:
        return {name for name in await admin.list_topics() if name.startswith(cluster.prefix)}


def databases(parts):
    with psycopg.connect(parts.database_url) as connection:
        rows = connection.execute("select datname from pg_database union select rolname from pg_roles").fetchall()
    return {name for (name,) in rows if name.startswith("servicecert_")}


WAITING = CaseState.WAITING_FOR_CSR


async def test_it_works_and_leaves_nothing_in_parts_that_others_use(system, parts, tmp_path):
    before = databases(parts)
    async with system:
        assert system.cluster.prefix
        # The database; for each service a login and an owner; the migrator, eraser, operators and readers.
        assert len(databases(parts)) == len(before) + 1 + 2 * 4 + 5
        customer, case_id = colleague("account-1"), uuid4()
        async with reading_topics(system.cluster) as witness:
            await publish(system.cluster, customer.opened("9900001-8", "Kuvitelman hyvinvointialue"))
            await publish(system.cluster, customer.submitted(case_id, example(CertificateType.SERVER), None))
            # If intake reads the application before the account, the case is first waiting for the account (A2).
            await witness.until(CaseChanged, lambda case: case.case_id == case_id and case.state is WAITING)
        # The notifier's report on its mail may be handled by now, too.
        assert (await system.metrics("intake"))["servicecert_events_total:handled"] >= 1
        children = list(system.children.values())
    assert not any(child.alive for child in children)
    assert [child.returncode for child in children] == [0, 0, 0, 0, 0]
    assert await topics(system.cluster) == set()
    assert databases(parts) == before
    assert not (tmp_path / "private").exists()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_that_was_killed_is_started_under_its_name(running):
    running.children["intake"].kill()
    assert await running.metrics("intake") == {}
    with pytest.raises(UserError, match="intake ended with status 137"):
        running.require_alive()
    running.start("intake")
    await running.ready("intake")
    running.require_alive()


@pytest.mark.long
async def test_a_worker_that_cannot_start_is_told_with_its_last_words(parts, authority, tmp_path):
    broken = System(tmp_path, parts=parts, authority=authority, environment={"SMTP_PORT": "none"})
    with pytest.raises(UserError, match=r"(?i)notifier ended with status 78: notifier: .*SMTP_PORT"):
        await broken.__aenter__()
    assert not any(child.alive for child in broken.children.values())


async def test_a_folder_that_cannot_be_made_is_told(parts, authority, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        await System(tmp_path / "file", parts=parts, authority=authority).__aenter__()


@pytest.mark.asyncio(loop_scope="module")
async def test_I10_only_the_services_that_sign_know_where_the_keys_are(running):
    environments = {name: await asyncio.to_thread(running.environment, name) for name in running.processes}
    knowing = {name for name, environment in environments.items() if "SERVICECERT_CA_PASSPHRASE_FILE" in environment}
    assert knowing == {"issuer", "revoker"}
    passwords = {environment.get("DATABASE_URL") for environment in environments.values()}
    assert len(passwords) == 5
    assert environments["ocsp"].get("DATABASE_URL") is None


def test_each_service_has_the_processes_that_are_asked_for(tmp_path):
    assert System(tmp_path, workers={"issuer": 2, "ocsp": 2}).processes == [
        "intake",
        "issuer",
        "issuer-2",
        "revoker",
        "notifier",
        "ocsp",
        "ocsp-2",
    ]
    assert System(tmp_path, workers=2).processes[-2:] == ["notifier-2", "ocsp"]


def test_workers_have_the_name_of_their_service_and_then_numbers():
    assert worker_names("issuer", 3) == ["issuer", "issuer-2", "issuer-3"]


def test_samples_are_added_up_apart_from_the_labels_that_tell_kinds():
    text = (
        "# TYPE a_total counter\n"
        'a_total{topic="x",outcome="handled"} 2\na_total{topic="y",outcome="handled"} 3\n'
        'a_total{topic="y",outcome="parked"} 1\n'
        '# TYPE b gauge\nb{partition="0"} 4\nb{partition="1"} 5\n'
    )
    assert summed(text) == {"a_total:handled": 5, "a_total:parked": 1, "b": 9}


async def test_D7_crls_stay_where_earlier_certificates_say_or_nothing_starts(parts, authority, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot be served at port {port}, which earlier certificates name"):
            await System(tmp_path / "one", parts=parts, authority=authority, crl_port=port).__aenter__()
    async with System(tmp_path / "two", parts=parts, authority=authority, crl_port=port) as system:
        assert system.crls == f"http://127.0.0.1:{port}"
