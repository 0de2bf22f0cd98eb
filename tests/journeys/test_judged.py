"""A1 to A15, B1, C1: applications with the expected decision by the rules, described in `judged/*.yaml`."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest
import pytest_asyncio
from journeys.judged.caseworker import Caseworker, certified, known_to
from journeys.judged.table import FIRST_DAY, Case, Step, cases
from servicecert_intake.domain.rules.deficiencies import LACKS
from servicecert_intake.service import open_service
from servicecert_intake.settings import Settings
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState
from servicecert_worker.core.decider import Service

CASES = tuple(cases())
NEEDS_MORE = {
    "canary-for-production",  # an id of the canary
    "csr-refused",  # the text for a fault of a newer version
    "key-debian-weak",  # these need lists of keys, or earlier certificates and revocations
    "key-leaked",
    "key-known-prime",
    "key-shared-prime",
    "key-compromised",
    "key-of-another-organisation",
    "dns-names-too-many",  # these need a narrower profile: test_profiles_hold_for_intake.py
    "ip-addresses-too-many",
    "usages-not-allowed",
}
"""Deficiencies that a single application cannot cause; tests/pki and tests/services/intake test them."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def intake() -> Any:
    """Intake as its worker runs it, which needs no database to decide, and its snapshot."""
    async with open_service(Settings(), None) as opened:
        yield opened, known_to(opened)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_A1_A2_A3_A4_A5_A6_A7_A8_A9_A10_A11_A12_A13_A14_A15_B1_C1_an_application_is_judged_by_the_rules(
    intake: tuple[Service[Any, Any], Any], case: Case
) -> None:
    worker, day, base = Caseworker(*intake), FIRST_DAY, case.application or "server"
    worker.earlier = None if case.earlier is None else certified(*intake, case.earlier)
    for number, step in enumerate(case.steps):
        day, base = step.day or day, step.application or base
        worker.judge(step, base, day)
        assert actual(worker, step) == expected(step), f"{case.judged} (step {number + 1}, {step.does})"


def expected(step: Step) -> dict[str, Any]:
    """Return the expected values of the table: some always, others only if the table has them."""
    always = {"outcome": step.outcome, "parked": step.parked, "lacks": step.lacking, "answer": step.answer}
    sometimes = (
        "due",
        "subject",
        "dns",
        "ip",
        "usages",
        "start_date",
        "validity_days",
        "recipients",
        "differs",
        "key_reused",
    )
    optional = {name: getattr(step, name) for name in sometimes if getattr(step, name) is not None}
    return {**always, **optional, "says": [True] * len(step.says), "next": True}


def actual(worker: Caseworker, step: Step) -> dict[str, Any]:
    """Return the actual values of intake."""
    view, accepted = worker.view, worker.accepted
    if worker.parked is not None or view is None:
        answer = None if worker.refused is None else worker.refused.code
        return {**expected(step), "parked": worker.parked, "outcome": view and view.state, "answer": answer}
    texts = [each.texts.en for each in view.deficiencies]
    granted: dict[str, Any] = {}
    if accepted is not None:
        granted = {
            "subject": {
                "O": accepted.subject.organisation,
                "OU": accepted.subject.organisational_unit,
                "serialNumber": accepted.subject.business_id,
                "CN": accepted.subject.common_name,
            },
            "dns": list(accepted.names.dns),
            "ip": list(accepted.names.ip),
            "usages": list(accepted.usages),
            "start_date": accepted.start_date,
            "validity_days": accepted.validity_days,
        }
    else:
        assert view.state is worker.was or view.state is not CaseState.ACCEPTED, "accepted without telling the issuer"
    due: date | None = None if view.due is None else view.due.astimezone(HELSINKI).date()
    renewal = view.renewal
    shown = {
        "differs": None if renewal is None else [each.field for each in renewal.differences],
        "key_reused": renewal is not None and renewal.key_reused is not None,
    }
    everything = {**granted, **shown, "due": due, "recipients": [each.role for each in view.recipients]}
    return {
        "outcome": view.state,
        "parked": None,
        "lacks": {(each.code, each.field) for each in view.deficiencies},
        "answer": worker.refused.code if worker.refused else view.answer and view.answer.code,
        **{name: value for name, value in everything.items() if getattr(step, name) is not None},
        "says": [any(part in text for text in texts) for part in step.says],
        "next": step.next is None or step.next in view.next_step.en,
    }


def test_the_table_is_large_and_names_each_case_once() -> None:
    assert len(CASES) >= 150
    assert [id for id, count in Counter(case.id for case in CASES).items() if count > 1] == []


def test_A10_every_deficiency_is_caused_by_an_application_of_the_table() -> None:
    codes = {code for case in CASES for step in case.steps for code in step.lacks}
    assert {lack.code for lack in LACKS} - codes == NEEDS_MORE
