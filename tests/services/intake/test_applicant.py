"""A5, A8, A9, A11: who applies."""

from datetime import date

import pytest
from servicecert_intake.domain.registers.snapshot import Registers
from servicecert_schemas.application import ApplicationSubmitted, Form
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.event import Actor
from services.intake.conftest import CASE_ID, COLLEAGUE

PROVIDER = {
    "applying_as": "care-provider",
    "applicant": {"business_id": "9900001-8"},
    "unit_long_name": "Saduniemen terveysasema",
}


def test_A1_a_right_application_is_accepted_once(accepts):
    view, accepted = accepts().events
    assert isinstance(accepted, ApplicationAccepted)
    assert (view.version, view.state, view.deficiencies) == (1, CaseState.ACCEPTED, ())


@pytest.mark.parametrize("typed", ["", "9900058", "99000587", "9900058-77", "FI99000587", "９９00058-7"])
def test_A5_a_business_id_in_another_form_is_returned(returns, typed):
    returns({"business-id-form"}, applicant={"business_id": typed})


@pytest.mark.parametrize("typed", ["9900058-8", "0204819-9", "0000010-0"])
def test_A5_a_wrong_check_digit_is_returned(returns, typed):
    returns({"business-id-check-digit"}, applicant={"business_id": typed})


def test_A5_the_derived_oid_is_the_organisations(accepts):
    accepts(applicant={"business_id": "9900058-7", "organisation_oid": "1.2.246.10.99000587"})


def test_A5_the_oid_of_a_unit_of_the_organisation_is_good(accepts):
    accepts(applicant={"business_id": "9900058-7", "organisation_oid": "1.2.246.10.99000587.10.1"})


def test_A5_the_oid_of_another_organisation_is_returned(returns):
    returns(
        "organisation-oid-mismatch", applicant={"business_id": "9900058-7", "organisation_oid": "1.2.246.10.99000413"}
    )


def test_A11_an_organisation_that_the_register_lacks_is_returned_and_not_refused(returns):
    returns("applicant-not-registered", applicant={"business_id": "0204819-8"})


def test_A8_a_capacity_that_the_register_does_not_confirm_is_returned(returns):
    returns("capacity-mismatch", applying_as="care-provider")


def test_A8_the_capacity_of_any_of_its_units_is_good(accepts):
    accepts(**PROVIDER)
    accepts(**{**PROVIDER, "applying_as": "pharmacy"})


def test_A8_a_supplier_may_apply_for_a_server_certificate(accepts):
    accepts(
        applying_as="it-supplier",
        applicant={"business_id": "9900074-7"},
        unit_long_name="Påhittad Datateknik Ab",
    )


@pytest.mark.parametrize("type", ["system-signature", "test-system-signature"])
def test_A8_a_supplier_is_refused_a_system_signature_certificate(returns, signature_form, type):
    view = returns(
        {"supplier-cannot-apply"} | ({"conformity-certificate-missing"} if type == "system-signature" else set()),
        signature_form,
        state=CaseState.REFUSED,
        type=type,
        applying_as="it-supplier",
        applicant={"business_id": "9900074-7"},
        unit_long_name="Kuviteltu Tietotekniikka Oy",
    )
    assert "care provider" in view.deficiencies[0].texts.en


def test_A8_a_provider_applies_for_a_system_signature_certificate(accepts, signature_form):
    accepts(signature_form, **PROVIDER)


@pytest.mark.parametrize("business_id", ["0204819-8", "9900074-8", "", "not registered"])
def test_A8_what_a_corrected_business_id_can_mend_is_never_refused(returns, signature_form, business_id):
    view = returns(
        {"capacity-mismatch", business_id_lacks(business_id)},
        signature_form,
        type="test-system-signature",
        applying_as="it-supplier",
        applicant={"business_id": business_id},
    )
    assert "Otherwise ask the care provider" in view.deficiencies[-1].texts.en


def business_id_lacks(business_id: str) -> str:
    return {"0204819-8": "applicant-not-registered", "9900074-8": "business-id-check-digit"}.get(
        business_id, "business-id-form"
    )


def test_A8_a_supplier_s_business_id_in_another_organisation_s_account_is_returned(happen, known, signature_form):
    form = {
        **signature_form,
        "type": "test-system-signature",
        "applying_as": "it-supplier",
        "applicant": {"business_id": "9900074-7"},
        "unit_long_name": "Kuviteltu Tietotekniikka Oy",
    }
    submitted = ApplicationSubmitted(
        case_id=CASE_ID, actor=Actor.model_validate(COLLEAGUE), form=Form.model_validate(form)
    )
    (view,) = happen(submitted, known=known).events
    assert view.state is CaseState.RETURNED
    assert {each.code for each in view.deficiencies} == {"capacity-mismatch", "applicant-of-another-account"}


def test_A9_a_listed_intermediary_without_its_mark_is_returned(returns, intermediary_form, contact):
    returns("intermediary-mark-missing", intermediary_form, technical_contact=contact)


def test_A9_a_listed_intermediary_needs_no_mark_for_a_server(accepts, intermediary_form, contact):
    server = {"type": "server", "names": {"dns": ["a.example.fi"]}, "usages": ["client-auth"]}
    accepts(intermediary_form, technical_contact=contact, **server)


def test_A9_an_intermediary_that_is_not_listed_is_returned(returns, contact):
    returns("intermediary-not-listed", applying_as="kanta-intermediary")


def test_A9_an_intermediary_that_is_no_longer_listed_counts_as_not_listed(registers: Registers):
    assert registers.is_intermediary("9900090-7", date(2023, 12, 31))
    assert not registers.is_intermediary("9900090-7", date(2024, 1, 1))
    assert not registers.is_intermediary("9900066-7", date(2021, 2, 28))
