"""The table of the form has each field, and its specimens are what it says of them."""

from itertools import product

import pytest
from docs.form import APPLICANTS, FIELDS, MODELS, Who, cells, outcome, specimen
from servicecert_schemas.application import ApplyingAs, Form
from servicecert_schemas.values import CertificateType

PAIRS = [pytest.param(*each, id=" ".join(map(str, each))) for each in product(CertificateType, APPLICANTS)]
WHOLE = {"signatory", "information_system"}


def test_each_field_of_the_form_is_in_the_table() -> None:
    fields = {
        f"{name}.{inner}" if inner else name
        for name in Form.model_fields
        for inner in (MODELS[name].model_fields if name in MODELS.keys() - WHOLE else ("",))
    }
    assert fields | {"attachments", "csr"} == FIELDS.keys(), "say in tests/docs/form.py how the field is filled in"


@pytest.mark.parametrize(("type", "who"), PAIRS)
def test_a8_a_form_with_all_its_fields_is_accepted_but_a_supplier_s_for_system_signatures(
    type: CertificateType, who: Who
) -> None:
    is_refused = who.applying_as is ApplyingAs.IT_SUPPLIER and not type.is_server
    assert outcome(who, specimen(type, who)) == ("supplier-cannot-apply" if is_refused else None)


def test_a7_a9_what_a_field_is_depends_on_the_type_and_the_applicant() -> None:
    by_name = {str(who): who for who in APPLICANTS}
    public, private = by_name["public care-provider"], by_name["private care-provider"]
    intermediary = by_name["private kanta-intermediary"]
    needed = "required: `conformity-certificate-missing`"
    assert cells(CertificateType.SYSTEM_SIGNATURE, private)["attachments"] == needed
    assert cells(CertificateType.SYSTEM_SIGNATURE, public)["attachments"] == "ignored"
    assert cells(CertificateType.TEST_SYSTEM_SIGNATURE, private)["attachments"] == "ignored"
    assert cells(CertificateType.SYSTEM_SIGNATURE, public)["names.dns"] == "forbidden: `names-not-for-type`"
    mark = "technical_contact.organisation"
    assert cells(CertificateType.TEST_SYSTEM_SIGNATURE, intermediary)[mark] == "required: `intermediary-mark-missing`"
    assert cells(CertificateType.TEST_SYSTEM_SIGNATURE, public)[mark] == "may be empty"
