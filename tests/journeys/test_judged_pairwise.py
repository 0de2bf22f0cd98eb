"""Applications and requests for revocation that are drawn pairwise, with the expected decision by the rules.

`judged/pairwise/` has the factors, the drawn cases, and the sentences of the rules that they follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import pytest_asyncio
from journeys.judged.pairwise import applications, revocations, table
from journeys.judged.pairwise.applications import PairwiseCaseworker, Times
from journeys.judged.pairwise.table import Application, Judged, Revocation, Stage
from servicecert_intake.service import open_service
from servicecert_intake.settings import Settings
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState
from servicecert_worker.core.decider import Service

APPLICATIONS = tuple(table.applications())
REVOCATIONS = tuple(table.revocations())
RULES = table.rules()
OPEN = {CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.RETURNED}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def intake() -> Any:
    """Intake as its worker runs it, which needs no database to decide."""
    async with open_service(Settings(), None) as opened:
        yield opened


@pytest.mark.parametrize("case", APPLICATIONS, ids=lambda case: case.id)
def test_A2_A3_A6_A7_A8_A9_A10_A11_A12_A13_A14_A15_B1_an_application_of_any_pair_is_judged_by_the_rules(
    intake: Service[Any, Any], case: Application
) -> None:
    times = Times.of(case.drawn)
    worker = applications.caseworker(intake, case.drawn)
    if case.submitted is not None:
        worker.hear(applications.submission(case.drawn), times.submitted, times.submitted)
        check(worker, case, "submitted", case.submitted)
    worker.hear(applications.act(case.drawn), times.sent, times.handled)
    check(worker, case, "acted", case.acted)
    if case.ended is not None:
        worker.wait(times.end)
        check(worker, case, "ended", case.ended)


def check(worker: PairwiseCaseworker, case: Application, name: str, stage: Stage) -> None:
    """Assert that the case is as a stage expects it."""
    assert worker.parked is None, f"{name}: parked as {worker.parked}"
    view = worker.view
    assert view is not None
    told = worker.refused is not None or view.answer is not None
    actual = {
        "outcome": "open" if stage.outcome == "open" and view.state in OPEN else view.state,
        "fields": sorted({each.field for each in view.deficiencies}),
        "told": told,
        "due": None if view.due is None else view.due.astimezone(HELSINKI).date(),
    }
    expected = {**actual, **({} if stage.outcome is None else {"outcome": stage.outcome})}
    if stage.fields is not None and not agrees(stage, actual["fields"]):
        expected["fields"] = [*stage.fields, *(f"({each})" for each in stage.perhaps)]
    if stage.told is not None:
        expected["told"] = stage.told
    if stage.due is not None:
        expected["due"] = stage.due.date()
    assert {"at": name, **actual} == {"at": name, **expected}, sentences(case)


def agrees(stage: Stage, fields: Sequence[str]) -> bool:
    """Return whether these fields are told and no others; a field includes its parts."""
    assert stage.fields is not None
    missing = [each for each in stage.fields if not any(_is_part(told, each) for told in fields)]
    return not missing and all(any(_is_part(told, each) for each in (*stage.fields, *stage.perhaps)) for told in fields)


def _is_part(field: str, of: str) -> bool:
    return field == of or field.startswith((f"{of}.", f"{of}["))


@pytest.mark.parametrize("case", REVOCATIONS, ids=lambda case: case.id)
def test_A2_A3_D1_D2_D3_D4_D5_D6_a_request_for_revocation_of_any_pair_is_judged_by_the_rules(case: Revocation) -> None:
    came = revocations.outcome(case.drawn)
    actual = {
        "answer": "granted" if came.registered is not None else "refused" if came.refused is not None else None,
        "refused_as": None if came.refused is None else came.refused.code,
        "reason": came.standing and came.standing.reason,
        "invalid_since": came.standing and came.standing.invalid_since,
        "due": came.registered and came.registered.due,
        "blocked": came.blocked,
        "mails": came.mails,
    }
    expected = {**actual, "answer": case.answer, "reason": case.reason, "blocked": case.blocked}
    if case.refused_as is not None and actual["refused_as"] not in case.refused_as:
        expected["refused_as"] = " or ".join(case.refused_as)
    if case.invalid_since != "by-now":
        expected["invalid_since"] = case.invalid_since
    elif came.standing is None or came.standing.invalid_since is None or came.standing.invalid_since > handled(case):
        expected["invalid_since"] = "not later than the request"
    if case.due is not None:
        expected["due"] = case.due
    if case.mails is not None:
        expected["mails"] = sorted(case.mails.items())
    assert actual == expected, sentences(case)


def handled(case: Revocation) -> Any:
    return revocations.MOMENTS[case.drawn["moment"]][1]


def sentences(case: Judged) -> str:
    """Return the rules that a case follows, a line each."""
    return "\n".join(f"{name}: {RULES[name]}" for name in case.rules)


@pytest.mark.parametrize(("name", "cases"), [("applications", APPLICATIONS), ("revocations", REVOCATIONS)])
def test_every_two_values_of_two_factors_meet_in_a_case(name: str, cases: Sequence[Judged]) -> None:
    factors = table.factors(name)
    for case in cases:
        assert list(case.drawn) == list(factors.factors), case.id
        assert all(value in factors.factors[factor] for factor, value in case.drawn.items()), case.id
    covered = {pair for case in cases for pair in factors.covered(case.drawn)}
    missing = [dict(pair) for pair in factors.required() if pair not in covered]
    assert missing == [], "draw a case for each of these, and judge it"


def test_each_drawn_case_is_there_once_and_each_sentence_is_followed() -> None:
    cases: list[Judged] = [*APPLICATIONS, *REVOCATIONS]
    assert [id for id, count in Counter(case.id for case in cases).items() if count > 1] == []
    draws = Counter((type(case), *case.drawn.items()) for case in cases)
    assert [draw for draw, count in draws.items() if count > 1] == []
    assert {name for case in cases for name in case.rules} == set(RULES)
