"""I11: a case with an id of the canary counts in no figures, so it gets no certificate of production."""

from __future__ import annotations

from uuid import uuid4

import pytest
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, Form
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.event import Actor, new_case_id
from services.intake.conftest import COLLEAGUE, GOOD_CSR, SERVER_FORM, SIGNATURE_FORM, Happen, from_own_account

COLLEAGUE_OF = Actor.model_validate(COLLEAGUE)


@pytest.fixture
def applies(happen: Happen, known):
    """Send a form as one event, in a case with this id."""

    def applies(kind, case_id, form, case=None, **fields):
        data = kind(case_id=case_id, actor=COLLEAGUE_OF, form=Form.model_validate({**form, **fields}), csr="as sent")
        return happen(data, case, csr=GOOD_CSR, known=from_own_account(known, data.form))

    return applies


@pytest.mark.parametrize("form", [SERVER_FORM, SIGNATURE_FORM], ids=lambda form: form["type"])
def test_I11_a_canary_gets_no_production_certificate(applies, form) -> None:
    decision = applies(ApplicationSubmitted, new_case_id(), form)
    (view,) = decision.events
    assert view.state is CaseState.RETURNED
    assert "canary-for-production" in {each.code for each in view.deficiencies}


def test_I11_nor_by_a_supplement(applies) -> None:
    case_id, names = new_case_id(), {"dns": ["*.onnela.example.fi"]}
    returned = applies(ApplicationSubmitted, case_id, SERVER_FORM, type="test-server", names=names)
    assert returned.state.state is CaseState.RETURNED
    decision = applies(ApplicationSupplemented, case_id, SERVER_FORM, returned.state)
    assert decision.state.state is CaseState.RETURNED
    assert {each.code for each in decision.state.deficiencies} == {"canary-for-production"}
    assert not any(isinstance(each, ApplicationAccepted) for each in decision.events)


def test_I11_it_gets_those_of_the_test_environment_and_others_are_judged_as_ever(applies) -> None:
    accepted = applies(ApplicationSubmitted, new_case_id(), SERVER_FORM, type="test-server")
    assert any(isinstance(each, ApplicationAccepted) for each in accepted.events)
    assert applies(ApplicationSubmitted, uuid4(), SERVER_FORM).state.state is CaseState.ACCEPTED
