"""The canary in a whole system: it passes all stages, and says at which one it stops when a service does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio
from commandline import Ended, run_process
from prometheus_client.parser import text_string_to_metric_families
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import System
from servicecert_cli.stand.topic_reader import TopicReader, reading_topics
from servicecert_cli.watching.canary.domain.stages import Stage
from servicecert_launcher import Parts
from servicecert_schemas.account import AccountOpened
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import is_canary
from servicecert_schemas.revocation import CertificateRevoked

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("measured_canaries")]

SINK = "canary@authority.example"
PATIENCE_SECONDS = 90.0
Metrics = dict[tuple[str, str], float]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(
    parts: Parts, identities: Identities, authority: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("canary")
    async with System(folder, parts=parts, authority=authority, identities=identities) as system:
        yield system


@pytest.fixture(scope="module")
def measured_canaries(system: System, measured_processes: None) -> None:
    """The processes that start after the system are measured: others measure its workers."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def witness(system: System) -> AsyncIterator[TopicReader]:
    async with reading_topics(system.cluster) as witness:
        yield witness


async def once(system: System, **environment: str) -> Ended:
    given = {**system.environment("canary"), **environment}
    return await asyncio.to_thread(run_process, "canary", "--once", environment=given, timeout=PATIENCE_SECONDS)


def stages(ended: Ended) -> list[str]:
    lines = ended.out.splitlines()
    assert ("The canary passed." in lines[-1:]) is (ended.code == 0)
    return [line.partition(":")[0] for line in lines if line != "The canary passed."]


async def state(witness: TopicReader, case_id: UUID, state: CaseState) -> None:
    """Wait until a case is in this state."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await witness.until(CaseChanged, lambda view: (view.case_id, view.state) == (case_id, state))


def newest_case(witness: TopicReader) -> UUID:
    return witness.events_of_kind(CaseChanged)[-1].case_id


async def stopped(system: System, name: str) -> None:
    await asyncio.to_thread(system.children[name].stop)


async def started(system: System, name: str) -> None:
    await asyncio.to_thread(system.start, name)
    await system.ready(name)


async def until(system: System, condition: Callable[[Metrics], bool]) -> Metrics:
    """Return the canary's metrics, by name and label's value, once they meet the condition."""
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://{system.health('canary')}/metrics") as answer:
                families = text_string_to_metric_families(await answer.text())
            found = {
                (each.name, next(iter(each.labels.values()), "")): each.value for it in families for each in it.samples
            }
            if condition(found):
                return found
            await asyncio.sleep(0.1)


async def test_it_passes_all_stages_and_leaves_nothing_valid(system: System, witness: TopicReader) -> None:
    for _ in range(2):
        ended = await once(system)
        assert (ended.code, stages(ended), ended.err) == (0, list(Stage), "")
        await witness.caught_up()
        case_id = newest_case(witness)
        assert str(case_id) in ended.out
        assert is_canary(str(case_id))
        (issued,) = witness.events_of_case(case_id, CertificateIssued)
        (revoked,) = witness.events_of_case(case_id, CertificateRevoked)
        assert issued.issuer == "test-ec"
        assert (revoked.issuer, revoked.serial) == (issued.issuer, issued.serial)
    assert len(witness.events_of_kind(AccountOpened)) == 1
    assert {mail.recipients for mail in system.mails.mails} == {(SINK,)}


async def test_without_the_notifier_it_stops_at_the_mail_and_revokes_all_the_same(
    system: System, witness: TopicReader
) -> None:
    await stopped(system, "notifier")
    ended = await once(system, SERVICECERT_CANARY_STAGE_SECONDS="2")
    await started(system, "notifier")
    assert (ended.code, stages(ended)) == (1, list(Stage)[:5])
    assert "mailed: FAILED: the mail certificate-issued is not handed over: see that the notifier runs" in ended.out
    await state(witness, newest_case(witness), CaseState.REVOKED)
    assert (await once(system)).code == 0


async def test_without_the_organisation_it_says_what_to_load(system: System, witness: TopicReader) -> None:
    ended = await once(system, SERVICECERT_CANARY_UNIT="Tuntematon yksikkö")
    assert (ended.code, stages(ended)) == (1, list(Stage)[:3])
    assert "the registers have no organisation 9900099-0 with the unit “Tuntematon yksikkö”: add the" in ended.out
    await state(witness, newest_case(witness), CaseState.WITHDRAWN)


async def test_the_process_says_at_which_stage_it_stopped_and_ends_what_it_left(
    system: System, witness: TopicReader
) -> None:
    await stopped(system, "issuer")
    system.start("canary", SERVICECERT_CANARY_SECONDS="10", SERVICECERT_CANARY_STAGE_SECONDS="2")
    await system.ready("canary")
    failed = await until(system, lambda found: found["servicecert_canary_runs_total", "failed"] == 1)
    # No success is claimed before the first.
    assert ("servicecert_canary_last_success_timestamp_seconds", "") not in failed
    assert {stage: failed["servicecert_canary_failed_stage", stage] for stage in Stage} == {
        stage: float(stage is Stage.ISSUED) for stage in Stage
    }
    assert failed["servicecert_canary_stage_seconds_count", "accepted"] == 1
    await witness.caught_up()
    left = newest_case(witness)
    # Its signing may begin before the withdrawal is read: the next run has the certificate revoked.
    await started(system, "issuer")
    passed = await until(system, lambda found: found["servicecert_canary_runs_total", "succeeded"] >= 1)
    assert passed["servicecert_canary_last_success_timestamp_seconds", ""] > 0
    assert all(passed["servicecert_canary_failed_stage", stage] == 0 for stage in Stage)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await witness.until(
            CaseChanged,
            lambda view: view.case_id == left and view.state in (CaseState.WITHDRAWN, CaseState.REVOKED),
        )
    assert await asyncio.to_thread(system.children["canary"].stop) == 0


async def test_an_interrupted_run_has_its_certificate_revoked(system: System, witness: TopicReader) -> None:
    await stopped(system, "notifier")
    before = len(witness.events_of_kind(CertificateIssued))
    child = system.start("canary")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await witness.until(CertificateIssued, lambda _: len(witness.events_of_kind(CertificateIssued)) > before)
    case_id = witness.events_of_kind(CertificateIssued)[-1].case_id
    assert await asyncio.to_thread(child.stop) == 0
    await started(system, "notifier")
    await state(witness, case_id, CaseState.REVOKED)


async def test_settings_that_are_missing_are_named(system: System) -> None:
    ended = await once(system, SERVICECERT_CANARY_MAIL="nobody")
    assert ended.code == 78
    assert ended.err.startswith("servicecert: SERVICECERT_CANARY_MAIL "), ended.err
    ended = await once(system, SERVICECERT_CANARY_CA_CERTIFICATES="/nowhere")
    assert (ended.code, ended.err) == (
        78,
        "servicecert: The CAs' certificates in /nowhere cannot be read (No such file or directory): correct"
        " SERVICECERT_CANARY_CA_CERTIFICATES.\n",
    )
