"""What intake does with members of open lists that it does not know."""

from servicecert_schemas.case import CaseState
from servicecert_schemas.open_list import UnknownMember
from services.intake.conftest import CONFORMITY, SIGNATURE_FORM


def test_A7_an_attachment_of_an_unknown_kind_proves_nothing(submit):
    other = {**CONFORMITY, "kind": UnknownMember("power-of-attorney")}
    assert submit(SIGNATURE_FORM, (CONFORMITY,)).state.state is CaseState.ACCEPTED
    without, unknown = submit(SIGNATURE_FORM).state, submit(SIGNATURE_FORM, (other,)).state
    assert unknown.state is CaseState.RETURNED
    assert unknown.deficiencies == without.deficiencies
