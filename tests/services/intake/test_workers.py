"""A11, A12, E2: a case is woken once by three workers, also after a time without any."""

from uuid import uuid4

import pytest
from commandline import begun
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.applications import customer_of, example
from servicecert_cli.registers.loading import publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_cli.stand.topic_reader import reading_topics
from servicecert_intake.service import MIGRATIONS, NAME
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.values import CertificateType
from workers import workers_of

pytestmark = pytest.mark.long


@pytest.fixture
async def workers(parts, migrated, tmp_path):
    async with workers_of(NAME, MIGRATIONS, parts, migrated, tmp_path) as workers:
        yield workers


async def test_A12_E2_a_case_lapses_once_after_six_months_in_which_nobody_was_awake(workers):
    cluster, start = workers.cluster, workers.start
    application, case_id = example(CertificateType.SERVER), uuid4()
    customer = customer_of(application)

    def views(state):
        return [view for view in witness.events_of_case(case_id, CaseChanged) if view.state is state]

    async with reading_topics(cluster) as witness:
        first = start()
        opened = customer.opened(application.applicant.business_id, "Kuvitelman hyvinvointialue")
        await publish(cluster, customer.submitted(case_id, application, None), opened)
        # No register is loaded, so that the applicant is not found and the case is returned.
        await witness.until(CaseChanged, lambda _: bool(views(CaseState.RETURNED)))
        assert first.stop(60) == 0
        late = [start(SERVICECERT_CLOCK_AHEAD="P190D") for _ in range(3)]
        await witness.until(CaseChanged, lambda _: bool(views(CaseState.LAPSED)))
        await publish(cluster, customer.supplemented(case_id, application, None))
        await witness.until(CaseChanged, lambda _: any(view.answer for view in views(CaseState.LAPSED)))
        assert [view.answer and view.answer.code for view in views(CaseState.LAPSED)] == [None, "too-late-lapsed"]
        await begun(late)
        assert [worker.stop(60) for worker in late] == [0, 0, 0]


async def test_A12_what_was_sent_in_time_is_heard_before_the_case_lapses_though_nobody_was_awake(workers):
    cluster, start = workers.cluster, workers.start
    application, case_id = example(CertificateType.SERVER), uuid4()
    customer = customer_of(application)
    async with reading_topics(cluster) as witness:

        def views(*states):
            return [view for view in witness.events_of_case(case_id, CaseChanged) if view.state in states]

        first = start()
        opened = customer.opened(application.applicant.business_id, "Kuvitelman hyvinvointialue")
        await publish(cluster, customer.submitted(case_id, application, None), opened)
        await witness.until(CaseChanged, lambda _: bool(views(CaseState.RETURNED)))
        assert first.stop(60) == 0
        await publish(cluster, customer.supplemented(case_id, application, None))
        start(SERVICECERT_CLOCK_AHEAD="P190D")
        await witness.until(CaseChanged, lambda _: bool(views(CaseState.LAPSED)))
        (late,) = await publish(cluster, customer.supplemented(case_id, application, None))
        await witness.until(CaseChanged, lambda _: any(view.answer for view in views(CaseState.LAPSED)))
        assert [view.answer.event_id for view in views(CaseState.LAPSED) if view.answer] == [late]


async def test_A15_A11_what_was_sent_before_is_heard_before_the_case_is_judged_again_though_nobody_was_awake(workers):
    cluster, start = workers.cluster, workers.start
    application, case_id = example(CertificateType.SERVER), uuid4()
    customer = customer_of(application)
    opened = customer.opened(application.applicant.business_id, "Kuvitelman hyvinvointialue")
    async with reading_topics(cluster) as witness:
        first = start()
        await publish(cluster, customer.submitted(case_id, application, None), opened)
        await witness.until(CaseChanged, lambda _: len(witness.events_of_case(case_id, CaseChanged)) == 1)
        assert first.stop(60) == 0
        await publish(cluster, customer.withdrawn(case_id))
        await publish_entries(cluster, read_register(FICTITIOUS_REGISTERS))
        start(SERVICECERT_CLOCK_AHEAD="P3D")
        await witness.until(CaseChanged, lambda view: view.case_id == case_id and view.state is CaseState.WITHDRAWN)
        states = [view.state for view in witness.events_of_case(case_id, CaseChanged)]
        assert states == [CaseState.RETURNED, CaseState.WITHDRAWN]


async def test_A11_what_is_entered_in_the_registers_wakes_the_case_that_waits_for_it_once(workers):
    cluster, start = workers.cluster, workers.start
    application, case_id = example(CertificateType.SERVER), uuid4()
    customer = customer_of(application)
    opened = customer.opened(application.applicant.business_id, "Kuvitelman hyvinvointialue")
    async with reading_topics(cluster) as witness:
        three = [start() for _ in range(3)]
        await publish(cluster, customer.submitted(case_id, application, None), opened)
        await witness.until(CaseChanged, lambda _: len(witness.events_of_case(case_id, CaseChanged)) == 1)
        await publish_entries(cluster, read_register(FICTITIOUS_REGISTERS))
        await witness.until(CaseChanged, lambda _: len(witness.events_of_case(case_id, CaseChanged)) == 2)
        await publish(cluster, customer.supplemented(case_id, application, None))
        await witness.until(CaseChanged, lambda _: len(witness.events_of_case(case_id, CaseChanged)) == 3)
        assert [(view.version, view.state) for view in witness.events_of_case(case_id, CaseChanged)] == [
            (1, CaseState.RETURNED),
            (2, CaseState.WAITING_FOR_CSR),
            (3, CaseState.WAITING_FOR_CSR),
        ]
        await begun(three)
        assert [worker.stop(60) for worker in three] == [0, 0, 0]
