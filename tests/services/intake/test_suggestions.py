"""A6: typed names and the suggested long name, among 20,000 fictitious ones."""

import random
from collections.abc import Iterator

import pytest
from servicecert_intake.domain.registers.name_index import MOST_ADDED, NameIndex, build_index, rank, spelling_of

PLACES: tuple[str, ...] = (
    "Onnela",
    "Satuniemi",
    "Taruvaara",
    "Peikkola",
    "Keijula",
    "Haltiala",
    "Pilvilinna",
    "Kuutamo",
    "Hiidenvesi",
)
PLACES += ("Tonttula", "Velholampi", "Sinisiipi", "Kultasaari", "Hopeajärvi", "Öljymäki", "Åholma", "Menninkäinen")
KINDS: tuple[str, ...] = (
    "terveysasema",
    "hammashoitola",
    "hoitokoti",
    "kotisairaanhoito",
    "työterveys",
    "neuvola",
    "palvelutalo",
)
KINDS += ("kuntoutuskeskus", "lääkäriasema", "mielenterveysyksikkö", "fysioterapia", "ensihoito")
PERSONS = ("Aino", "Väinö", "Ilmari", "Louhi", "Kullervo", "Tapio", "Mielikki", "Ahti", "Vellamo", "Otso", "Rauni")
BODIES = ("Oy", "Ab", "Oy Ab", "ry", "hyvinvointialue", "kuntayhtymä")
MEANT = (
    "Kuvitelman hyvinvointialue",
    "Fantasins välfärdsområde",
    "Kuvitelman hyvinvointialue, Saduniemen keskussairaalan kuvantamisyksikkö",
    "Lääkärikeskus Satulinna Oy",
    "Läkarcentralen Sagoslottet Ab",
    "Lääkärikeskus Satulinna, Onnelan toimipiste",
    "Hammaslääkärit Peikonhammas Oy",
    "Onnelan I apteekki",
    "Onnelan VI apteekki",
    "Onnelan XVI apteekki",
    "Apoteket Lyckebo VI",
    "Onnelan VI apteekki, Rantatien sivuapteekki",
    "Saduniemen terveysasema",
    "Sagouddens hälsostation",
    "Saduniemen sairaala-apteekki",
    "Sagouddens sjukhusapotek",
    "Aaveniemen kaupunki",
    "Spökuddens stad",
    "Aaveniemen kouluterveydenhuolto",
    "Spökuddens skolhälsovård",
    "Tarinalaakson kuntayhtymä",
    "Sagodalens samkommun",
    "Unelmasilta Välityspalvelut Oy",
    "Drömbron Förmedlingstjänster Ab",
    "Helsingin Satumaan terveysasema",
    "Helsingfors Sagolands hälsostation",
    "Ähtärinrannan hoiva ja kuntoutus ry",
)


def generated(number: int) -> Iterator[str]:
    """Return this many different names, always the same."""
    choose = random.Random(20261124).choice
    seen: set[str] = set()
    while len(seen) < number:
        place, kind, person, digits = choose(PLACES), choose(KINDS), choose(PERSONS), choose(range(1, 1_000))
        name = choose(
            (
                f"{place}n {kind} {person} {digits}",
                f"{kind.capitalize()} {person} {choose(PERSONS)} {place} {choose(BODIES)} {digits}",
                f"{place}n {choose(BODIES)} {kind}, {person}n toimipiste {digits}",
            )
        )
        if name not in seen:
            seen.add(name)
            yield name


@pytest.fixture(scope="module")
def index() -> NameIndex:
    return build_index([*generated(20_000 - len(MEANT)), *MEANT])


TYPED = (
    # Letter case, blanks, punctuation.
    ("ONNELAN VI APTEEKKI", "Onnelan VI apteekki"),
    ("  onnelan   vi  apteekki ", "Onnelan VI apteekki"),
    ("Onnelan VI apteekki.", "Onnelan VI apteekki"),
    ("Saduniemen sairaala apteekki", "Saduniemen sairaala-apteekki"),
    ("Saduniemen terveys asema", "Saduniemen terveysasema"),
    ("Lääkärikeskus Satulinna Onnelan toimipiste", "Lääkärikeskus Satulinna, Onnelan toimipiste"),
    # å, ä and ö without their dots.
    ("Laakarikeskus Satulinna Oy", "Lääkärikeskus Satulinna Oy"),
    ("Fantasins valfardsomrade", "Fantasins välfärdsområde"),
    ("Spokuddens stad", "Spökuddens stad"),
    ("Sagouddens halsostation", "Sagouddens hälsostation"),
    ("Ahtarinrannan hoiva ja kuntoutus", "Ähtärinrannan hoiva ja kuntoutus ry"),
    ("Lakarcentralen Sagoslottet", "Läkarcentralen Sagoslottet Ab"),
    # Abbreviations, and forms of enterprises in the other language or none.
    ("Kuvitelman HVA", "Kuvitelman hyvinvointialue"),
    ("Fantasins HVA", "Fantasins välfärdsområde"),
    ("Fantasins vfo", "Fantasins välfärdsområde"),
    ("Kuvitelman hva, Saduniemen ks kuvantamisyksikkö", MEANT[2]),
    ("Saduniemen TA", "Saduniemen terveysasema"),
    ("Satulinna LK", "Lääkärikeskus Satulinna Oy"),
    ("Lääkärikeskus Satulinna Ab", "Lääkärikeskus Satulinna Oy"),
    ("Hammaslääkärit Peikonhammas", "Hammaslääkärit Peikonhammas Oy"),
    ("Tarinalaakson ky", "Tarinalaakson kuntayhtymä"),
    ("Unelmasilta Välityspalvelut Oyj", "Unelmasilta Välityspalvelut Oy"),
    ("hki satumaan terveysasema", "Helsingin Satumaan terveysasema"),
    ("Satumaan terveysasema, Helsinki", "Helsingin Satumaan terveysasema"),
    ("Helsingfors Sagolands hvc", "Helsingfors Sagolands hälsostation"),
    # Numerals.
    ("Onnelan 6. apteekki", "Onnelan VI apteekki"),
    ("Onnelan 16 apteekki", "Onnelan XVI apteekki"),
    ("Lyckebo 6 apotek", "Apoteket Lyckebo VI"),
    # The order of the words.
    ("apteekki Onnelan VI", "Onnelan VI apteekki"),
    ("hyvinvointialue Kuvitelman", "Kuvitelman hyvinvointialue"),
    ("Oy Satulinna Lääkärikeskus", "Lääkärikeskus Satulinna Oy"),
    ("kaupunki, Aaveniemen", "Aaveniemen kaupunki"),
    ("Välityspalvelut Unelmasilta", "Unelmasilta Välityspalvelut Oy"),
    ("sivuapteekki Rantatien, Onnelan VI apteekki", "Onnelan VI apteekki, Rantatien sivuapteekki"),
    # Slips.
    ("Onelan VI aptekki", "Onnelan VI apteekki"),
    ("Kuvitleman hyvinvontialue", "Kuvitelman hyvinvointialue"),
    ("Fantasin välfärsområde", "Fantasins välfärdsområde"),
    ("Aaveniemen kouluterveydenhuollon", "Aaveniemen kouluterveydenhuolto"),
    ("Lääkärikekus Satulina", "Lääkärikeskus Satulinna Oy"),
    ("Drombron formedlings tjanster", "Drömbron Förmedlingstjänster Ab"),
    ("Spökudens skolhälsovården", "Spökuddens skolhälsovård"),
    ("Sagodalen samkomun", "Sagodalens samkommun"),
    ("Sagouddens sjukhus apotek", "Sagouddens sjukhusapotek"),
    # One language's words with the other's name.
    ("Kuvitelman välfärdsområde", "Kuvitelman hyvinvointialue"),
    ("Saduniemen hälsostation", "Saduniemen terveysasema"),
    ("Onnelan VI apotek", "Onnelan VI apteekki"),
    ("Aaveniemen stad", "Aaveniemen kaupunki"),
)


@pytest.mark.parametrize(("typed", "meant"), TYPED, ids=[typed for typed, _ in TYPED])
def test_A6_the_name_that_is_meant_is_suggested_first(index: NameIndex, typed: str, meant: str):
    assert index.closest(typed)[:1] == [meant]


@pytest.mark.parametrize("typed", ["", ".", "xyz", "qqqqq wwwww zzzzz", "Oy", "x" * 200, "漢字の名前"])
def test_A6_what_resembles_no_name_finds_none(index: NameIndex, typed: str):
    assert index.closest(typed) == []


def test_A6_the_suggestions_of_equal_names_have_a_fixed_order():
    names = [f"Onnelan {kind}" for kind in KINDS]
    assert build_index(names).closest("Onnelan x") == build_index(reversed(names)).closest("Onnelan x")


def test_A6_a_name_that_came_later_is_found_as_well(index: NameIndex):
    later = index.with_added(["Uudensadun sairaala"])
    assert later.closest("uudensadun sjukhus") == ["Uudensadun sairaala"]
    assert index.closest("uudensadun sjukhus")[:1] != ["Uudensadun sairaala"]
    assert later.with_added(f"{number}" for number in range(MOST_ADDED)) is None


def test_A6_the_same_words_in_another_language_are_spelt_alike_and_the_typed_letters_decide():
    names = ["Helsingin terveysasema", "Helsingfors hälsostation"]
    assert spelling_of(names[0]) == spelling_of(names[1])
    assert rank("Helsingfors halsostation", names)[0] == names[1]
    assert rank("Helsingin terveysasema", names)[0] == names[0]
