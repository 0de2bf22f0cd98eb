"""A10: every text exists in three languages, is plain, and says what to do."""

import re
import tomllib
from importlib.resources import files

import pytest
from servicecert_intake.domain.rules.deficiencies import (
    CSR_FAULTS,
    LACKS,
    SEVERITIES,
    SUPPLIER_CANNOT_APPLY,
    TEXTS,
    WORDS,
    Severity,
)
from servicecert_intake.domain.rules.renewal import NOTES
from servicecert_intake.domain.view import ANSWERS, NEXT_STEPS, UNCHANGED
from servicecert_pki.csr_faults import FAULTS
from servicecert_schemas.values import Language

ONLY_INTAKE_S = {"key-of-another-organisation", "key-shared-prime"}
READ = {
    "deficiencies": TEXTS,
    "limits": WORDS,
    "answers": ANSWERS,
    "renewal": NOTES,
    "next-steps": NEXT_STEPS,
    "unchanged": UNCHANGED,
}


def test_A10_a_code_stands_for_one_field_and_one_thing():
    by_code = {each.code: each for each in LACKS}
    variants = [each for each in LACKS if by_code[each.code] is not each]
    names = "dns-names-too-many"
    assert {each.code for each in variants} == {
        "unit-not-found",
        "capacity-mismatch",
        "conformity-certificate-missing",
        names,
    }
    assert len({each.key or each.code for each in LACKS}) == len(LACKS) == len(TEXTS)


def test_A8_A10_nothing_but_a_supplier_s_own_application_is_refused_for_good():
    refused = {code for code, severity in SEVERITIES.items() if severity is Severity.REFUSED}
    assert refused == {SUPPLIER_CANNOT_APPLY.code}


@pytest.mark.parametrize("key", [*TEXTS, *ANSWERS])
def test_A10_a_wording_says_the_same_in_three_languages(key):
    told = TEXTS.get(key) or ANSWERS[key]
    texts = (told.sv, told.fi, told.en)
    assert len(set(texts)) == 3
    assert len({tuple(re.findall(r"{\w+}", text)) for text in texts}) == 1
    assert all(re.fullmatch(r"[A-ZÅÄÖ”“].*[.]|”.*[.]|“.*[.]", text) for text in texts)


@pytest.mark.parametrize("language", Language)
def test_A10_every_table_of_texts_is_read_in_every_language(language):
    tables = tomllib.loads((files("servicecert_intake.domain") / "texts" / f"{language}.toml").read_text("utf-8"))
    assert tables.keys() == READ.keys()
    assert [list(texts) for texts in tables.values()] == [list(READ[table]) for table in tables]


def test_A4_every_fault_of_a_request_has_its_wording():
    assert {each.code for each in FAULTS} | ONLY_INTAKE_S == CSR_FAULTS.keys()
