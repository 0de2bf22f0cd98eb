"""What intake does with members of open lists that it does not know."""

from servicecert_schemas.application import CsrAttached
from servicecert_schemas.case import CaseState
from servicecert_schemas.event import Actor
from servicecert_schemas.open_list import UnknownMember
from services.intake.conftest import COLLEAGUE, CONFORMITY, GOOD_CSR, SIGNATURE_FORM


def test_A3_a_role_that_is_unknown_attaches_no_request(submit, happen):
    waiting = submit(csr=None).state
    assert waiting.state is CaseState.WAITING_FOR_CSR
    actor = Actor.model_validate({**COLLEAGUE, "role": UnknownMember("robot")})
    decision = happen(CsrAttached(case_id=waiting.case_id, actor=actor, csr="as sent"), waiting, csr=GOOD_CSR)
    assert decision.state.state is CaseState.WAITING_FOR_CSR
    assert decision.state.answer.code == "role-not-allowed"


def test_A7_an_attachment_of_an_unknown_kind_proves_nothing(submit):
    other = {**CONFORMITY, "kind": UnknownMember("power-of-attorney")}
    assert submit(SIGNATURE_FORM, (CONFORMITY,)).state.state is CaseState.ACCEPTED
    without, unknown = submit(SIGNATURE_FORM).state, submit(SIGNATURE_FORM, (other,)).state
    assert unknown.state is CaseState.RETURNED
    assert unknown.deficiencies == without.deficiencies
