"""A10: every text exists in three languages, is plain, and says what to do."""

import re

import pytest
from servicecert_intake.domain import answers
from servicecert_intake.domain.rules import csr
from servicecert_intake.domain.rules.catalogue import LACKS, SEVERITIES
from servicecert_intake.domain.rules.deficiencies import SUPPLIER_CANNOT_APPLY
from servicecert_intake.domain.rules.wording import Severity, Wording
from servicecert_pki.csr_faults import FAULTS

ONLY_INTAKE_S = {"key-of-another-organisation", "key-shared-prime"}
ANSWERS = [each for each in vars(answers).values() if isinstance(each, Wording)]


def test_A10_a_code_stands_for_one_field_and_one_thing():
    by_code = {each.code: each for each in LACKS}
    variants = [each for each in LACKS if by_code[each.code] is not each]
    assert [each.code for each in variants] == ["unit-not-found"]
    assert len({each.code for each in ANSWERS}) == len(ANSWERS)


def test_A8_A10_nothing_but_a_supplier_s_own_application_is_refused_for_good():
    refused = {code for code, severity in SEVERITIES.items() if severity is Severity.REFUSED}
    assert refused == {SUPPLIER_CANNOT_APPLY.code}


@pytest.mark.parametrize("wording", [*LACKS, *ANSWERS], ids=lambda wording: wording.code)
def test_A10_a_wording_says_the_same_in_three_languages(wording):
    texts = (wording.sv, wording.fi, wording.en)
    assert len(set(texts)) == 3
    assert len({tuple(re.findall(r"{\w+}", text)) for text in texts}) == 1
    assert all(re.fullmatch(r"[A-ZÅÄÖ”“].*[.]|”.*[.]|“.*[.]", text) for text in texts)


def test_A4_every_fault_of_a_request_has_its_wording():
    assert {each.code for each in FAULTS} | ONLY_INTAKE_S == csr.FAULTS.keys()
