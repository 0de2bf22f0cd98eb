"""A6: the organisational unit, and the texts of the subject that come from the registers."""

from datetime import UTC, date, datetime

import pytest
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.registers.snapshot import Registers, apply, suggested
from servicecert_schemas.register import LongNames, RegisterEntry

DAY = date(2026, 11, 24)
OID = "1.2.246.10.99000018"
PROVIDER = {"applying_as": "care-provider", "applicant": {"business_id": "9900001-8"}}


@pytest.mark.parametrize("name", ["Onnelan VI apteekki", "Apoteket Lyckebo VI"])
def test_A6_the_unit_is_the_long_name_in_the_language_that_was_typed(accepts, name):
    subject = accepts(unit_long_name=name).events[1].subject
    assert (subject.organisational_unit, subject.organisation) == (name, "Apteekkari Urho Kuviteltu")
    assert (subject.business_id, subject.common_name) == ("9900058-7", "kanta.onnela.example.fi")


def test_A6_two_spellings_of_the_same_letters_are_the_same_name(accepts):
    form = {"applicant": {"business_id": "9900074-7"}, "applying_as": "it-supplier"}
    decision = accepts(unit_long_name="Pa\u030ahittad Datateknik Ab", **form)
    assert decision.events[1].subject.organisational_unit == "Påhittad Datateknik Ab"


@pytest.mark.parametrize("typed", ["onnelan vi apteekki", "Onnelan VI  apteekki", "Onnelan VI apteekki."])
def test_A6_a_name_that_is_not_exact_is_returned_with_the_closest_names(returns, typed):
    (deficiency,) = returns("unit-not-found", unit_long_name=typed).deficiencies
    assert "”Onnelan VI apteekki”" in deficiency.texts.sv
    assert "“Onnelan VI apteekki”" in deficiency.texts.en
    assert deficiency.field == "unit_long_name"


def test_A6_a_name_that_resembles_none_is_returned_without_suggestions(returns):
    (deficiency,) = returns("unit-not-found", unit_long_name="xyz").deficiencies
    assert "”" not in deficiency.texts.fi


def test_A6_the_units_of_the_applicant_are_suggested_first(registers: Registers):
    applicant = registers.organisation("9900058-7", DAY)
    assert suggested("Onnelan IV apteekki", applicant, registers, DAY)[0] == "Onnelan VI apteekki"
    assert "Onnelan I apteekki" not in suggested("Onnelan IV apteekki", applicant, registers, DAY)


def test_A6_the_whole_register_is_searched_where_the_applicant_has_nothing_close(registers: Registers):
    applicant = registers.organisation("9900017-3", DAY)
    found = suggested("Onnelan IV apteekki", applicant, registers, DAY)
    assert found[:2] == ("Onnelan I apteekki", "Onnelan VI apteekki")


def test_A6_the_unit_that_is_meant_is_suggested_first_of_the_thousands_that_an_organisation_has(registers: Registers):
    """As a wellbeing services county has them."""
    (entry,) = (
        each for each in read_register(FICTITIOUS_REGISTERS) if each.entry_id.startswith(f"organisation/{OID}/")
    )
    kinds = ("terveysasema", "hammashoitola", "neuvola", "kotihoito")
    names = [f"Kuvitelman hyvinvointialue, {kinds[n % 4]} {n}" for n in range(4_000)]
    entries = (
        entry.entry.model_copy(update={"oid": f"{OID}.10.{n + 1000}", "names": LongNames(fi=name, sv=f"Enhet {n}")})
        for n, name in enumerate(names)
    )
    many = apply(registers, [(f"many/{each.oid}", RegisterEntry(entry_id="many", entry=each)) for each in entries])
    applicant = many.organisation("9900001-8", DAY)
    found = suggested("Kuvitelman HVA hamashoitola 1017", applicant, many, DAY)
    assert found[0] == "Kuvitelman hyvinvointialue, hammashoitola 1017"


def test_A6_a_name_that_is_no_longer_in_force_is_neither_matched_nor_suggested(returns, registers: Registers):
    (deficiency,) = returns("unit-not-found", unit_long_name="Vanhan Taruvaaran terveysasema", **PROVIDER).deficiencies
    assert "“Taruvaaran terveysasema”" in deficiency.texts.en
    assert "“Vanhan" not in deficiency.texts.en
    assert suggested("Vanhan Taruvaaran terveysasema", None, registers, DAY)[0] == "Taruvaaran terveysasema"


def test_A6_the_register_of_the_day_counts(accepts, returns):
    then = datetime(2024, 12, 31, 12, tzinfo=UTC)
    accepts(unit_long_name="Vanhan Taruvaaran terveysasema", at=then, **PROVIDER)
    returns("unit-not-found", unit_long_name="Taruvaaran terveysasema", at=then, **PROVIDER)


def test_A6_the_unit_of_another_organisation_is_returned(returns):
    returns("unit-of-another-organisation", unit_long_name="Onnelan I apteekki")


def test_A6_whose_unit_it_is_is_not_judged_without_a_known_applicant(returns):
    returns("applicant-not-registered", applicant={"business_id": "0204819-8"}, unit_long_name="Onnelan I apteekki")


def test_A6_a_unit_name_over_64_characters_is_abbreviated(accepts):
    name = "Kuvitelman hyvinvointialue, Saduniemen keskussairaalan kuvantamisyksikkö"
    decision = accepts(unit_long_name=name, **PROVIDER)
    assert decision.events[1].subject.organisational_unit == "Kuvitelman hva, Saduniemen ks kuvantaminen"


def test_A6_a_unit_name_over_64_characters_without_abbreviation_is_returned(returns):
    name = "Taruvaaran pitkäaikaishoidon ja kotisairaanhoidon yhteinen toimintayksikkö"
    returns("unit-name-too-long", unit_long_name=name, **PROVIDER)


def test_A6_an_organisation_name_over_64_characters_is_abbreviated(accepts):
    form = {"applying_as": "care-provider", "applicant": {"business_id": "9900082-7"}}
    decision = accepts(unit_long_name="Tarinalaakson kuntayhtymä", **form)
    assert decision.events[1].subject.organisation == "Tarinalaakson sote-kuntayhtymä"
