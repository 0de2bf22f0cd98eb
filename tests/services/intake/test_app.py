"""Intake's handler, from an event to what is published: FastStream's test broker, a real database, no Kafka."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from figures import figure
from servicecert_intake import service
from servicecert_intake.domain.knowledge import NOTHING_KNOWN, apply
from servicecert_intake.settings import Settings
from servicecert_schemas.account import AccountOpened
from servicecert_schemas.application import ApplicationSubmitted
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import Change
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.open_list import UnknownMember
from servicecert_schemas.operators import RecordParked
from servicecert_worker.core.clock import machine_clock
from services.handler import example, handling

SUBMITTED = example(ApplicationSubmitted)
APPLICATION = SUBMITTED.model_copy(update={"form": SUBMITTED.form.model_copy(update={"follows": None})})
ACCOUNT = example(
    AccountOpened, account_id=APPLICATION.actor.account_id, business_id=APPLICATION.form.applicant.business_id
)


@pytest.fixture
async def intake(service_pool):
    known = apply(NOTHING_KNOWN, [Change(ACCOUNT.key(), ACCOUNT, datetime(2026, 1, 1, tzinfo=UTC))])
    pool = await service_pool("intake", service.MIGRATIONS)
    async with handling(service, Settings(), pool, known) as handler:
        yield handler


async def test_an_application_opens_a_case_and_is_returned_with_what_it_lacks(intake):
    await intake.handle(APPLICATION)
    (case,) = await intake.published()
    assert isinstance(case, CaseChanged)
    assert (case.case_id, case.version, case.state) == (APPLICATION.case_id, 1, CaseState.RETURNED)
    assert "applicant-not-registered" in {each.code for each in case.deficiencies}


async def test_A14_the_certificate_that_an_application_follows_is_looked_up_first(intake):
    await intake.handle(SUBMITTED)
    (case,) = await intake.published()
    assert case.state is CaseState.SUBMITTED
    assert "look-up" in await intake.intents()


async def test_C3_a_mail_of_a_kind_that_intake_does_not_know_is_stored_published_and_audited(intake):
    newer = example(MailHandedOver, case_id=str(APPLICATION.case_id), kind=UnknownMember("certificate-renewed"))
    known = newer.model_copy(update={"kind": MailKind.ADDRESS_REFUSED, "mail_id": UUID(int=1)})
    await intake.handle(APPLICATION, newer, known)
    *_, case = await intake.published()
    assert {each.kind for each in case.deliveries} == {"certificate-renewed", MailKind.ADDRESS_REFUSED}
    assert await intake.parked() == []


async def test_F2_a_certificate_of_a_case_that_nobody_submitted_is_an_alarm_of_its_own(intake):
    """Also where it waits behind another record of its case. One of a known case is none."""
    issued, mailed = (example(each, case_id=UUID(int=9)) for each in (CertificateIssued, MailHandedOver))
    genuine = example(CertificateIssued, case_id=str(APPLICATION.case_id))

    async def unasked() -> float:
        return (await figure(intake._pool, machine_clock(), "unasked_certificates"))[""]

    await intake.handle(APPLICATION, genuine)
    assert (await intake.parked(), await unasked()) == ([], 0)
    await intake.handle(mailed)
    assert (await intake.parked(), await unasked()) == (["no-such-case"], 0)
    await intake.handle(issued, example(CertificateIssued, case_id=UUID(int=10)))
    assert (await intake.parked(), await unasked()) == (["no-such-case", "behind", "no-such-case"], 2)


async def test_I6_a_newer_member_of_a_closed_list_is_parked_with_the_known_ones(intake):
    record = to_record(APPLICATION, source="/e-service", id=UUID(int=2), time=datetime(2026, 11, 24, tzinfo=UTC))
    headers = {name: value.decode() for name, value in record.headers}
    value = record.value.replace(b'"applying_as":"care-provider"', b'"applying_as":"newcomer"')
    assert value != record.value
    await intake.handle_raw(record.topic, value, headers)
    (notice,) = await intake.published()
    assert isinstance(notice, RecordParked)
    assert notice.reason == "wrong-schema"
    assert "form.applying_as: Input should be 'care-provider', 'pharmacy'" in notice.error


async def test_I6_what_is_no_event_is_parked_with_its_reason(intake):
    await intake.handle_raw("applications", b"\xff\x00", {"ce_id": "?"})
    (notice,) = await intake.published()
    assert isinstance(notice, RecordParked)
    assert await intake.parked() == ["no-event"]


async def test_F6_intake_accepts_nothing_by_a_wrong_clock(intake):
    await intake.decides_nothing_by_a_wrong_clock(APPLICATION)
