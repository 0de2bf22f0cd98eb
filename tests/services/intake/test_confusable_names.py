"""F5: names that look like another's, or that nobody can own, are deficiencies."""

import pytest

from .conftest import SERVER_FORM

CYRILLIC = "K\u0430nta-v\u00e4litt\u00e4j\u00e4"
PUBLIC = {
    "applicant": {"business_id": "9900017-3"},
    "unit_long_name": "Aaveniemen kaupunki",
    "applying_as": "care-provider",
}


def test_f5_a_mark_with_a_cyrillic_letter_is_a_deficiency(returns):
    contact = {**SERVER_FORM["technical_contact"], "organisation": CYRILLIC}
    (found,) = returns("name-letters", technical_contact=contact).deficiencies
    assert found.field == "technical_contact.organisation"
    assert "\u0430" in found.texts.en
    assert CYRILLIC in found.texts.fi


@pytest.mark.parametrize("name", ["Onnelan VI \u0430pteekki", "\u041e\u043d\u043d\u0435\u043b\u0430"])
def test_f5_a_unit_that_is_not_found_is_told_its_foreign_letters(returns, name):
    found = returns({"name-letters", "unit-not-found"}, unit_long_name=name).deficiencies
    assert {each.field for each in found} == {"unit_long_name"}


def test_f5_a_system_name_with_a_cyrillic_letter_is_a_deficiency(returns, signature_form):
    system = {"name": "T\u0430ikasauva", "system_id": "none"}
    (found,) = returns("name-letters", {**signature_form, **PUBLIC}, information_system=system).deficiencies
    assert found.field == "information_system.name"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("kanta.local", "dns-name-unowned"),
        ("kanta.internal", "dns-name-unowned"),
        ("kanta.test", "dns-name-unowned"),
        ("kanta.example", "dns-name-unowned"),
        ("co.uk", "dns-name-public-suffix"),
        ("xn--knta-53d.fi", "dns-name-letters"),
    ],
)
def test_f5_a_host_name_that_nobody_can_own_or_tell_apart_is_a_deficiency(returns, name, code):
    (found,) = returns(code, names={"dns": ["good.example.fi", name]}).deficiencies
    assert found.field == "names.dns[1]"


@pytest.mark.parametrize("address", ["10.0.0.1", "192.0.2.1", "2001:db8::1"])
def test_f5_an_address_that_nobody_can_own_is_a_deficiency(returns, address):
    (found,) = returns("ip-address-reserved", names={"dns": ["good.example.fi"], "ip": [address]}).deficiencies
    assert found.field == "names.ip[0]"
