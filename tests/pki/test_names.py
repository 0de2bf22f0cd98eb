import re
from collections.abc import Callable
from ipaddress import ip_address

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.names import (
    NameRefused,
    check_business_id,
    check_dns_name,
    check_ip_address,
    check_subject_text,
    fitting_text,
    server_common_name,
)


def code_of(check: Callable[[str], object], text: str) -> str | None:
    try:
        check(text)
    except NameRefused as refused:
        return refused.code
    return None


def test_A5_business_ids_with_a_right_check_digit_pass() -> None:
    for right in ("0204819-8", "0737546-2", "1572860-0", "0000000-0"):
        assert check_business_id(right) == right


@pytest.mark.parametrize(
    "malformed", ["", "204819-8", "02048198", "0204819-88", "0204819 8", "0204819-8\n", "٠204819-8"]
)
def test_A5_a_malformed_business_id_is_told_from_a_wrong_one(malformed: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_business_id(malformed)
    assert refused.value.code == "business-id-form"


@given(st.integers(0, 9_999_999))
def test_A5_at_most_one_check_digit_is_right_and_remainder_one_has_none(number: int) -> None:
    digits = f"{number:07}"
    remainder = sum(int(d) * w for d, w in zip(digits, (7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    passing = [str(check) for check in range(10) if code_of(check_business_id, f"{digits}-{check}") is None]
    assert passing == ([] if remainder == 1 else [str((11 - remainder) % 11)])


@pytest.mark.parametrize(
    "name",
    [
        "example.fi",
        "a.fi",
        "kanta.example.fi",
        "xn--trdgrd-cuak.example.fi",
        "r3---sn.example.fi",
        "1.example.fi",
        "xn--hrvi-qoa.xn--no-lia73b.fi",
        "a." * 125 + "fi",
    ],
)
def test_host_names_pass_in_lower_case(name: str) -> None:
    assert check_dns_name(name.upper()) == name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "labels"),
        ("localhost", "labels"),
        ("*.example.fi", "wildcard"),
        ("a_b.example.fi", "underscore"),
        ("a..fi", "form"),
        ("example.fi.", "form"),
        (".fi", "form"),
        ("-a.fi", "form"),
        ("a-.fi", "form"),
        ("a b.fi", "form"),
        ("a.fi\n", "form"),
        ("http://a.fi", "form"),
        ("a." * 127 + "a", "length"),
        ("a" * 64 + ".fi", "length"),
        ("a.b", "form"),
        ("a.fi2", "form"),
        ("192.0.2.1", "address"),
        ("trädgård.fi", "idn"),
        ("a\u2028.fi", "idn"),
        ("xn--a.fi", "idn"),
        ("xn--.fi", "form"),
        ("xn--99999999.fi", "idn"),
        ("xn---bbk.fi", "idn"),  # another spelling of xn--bbk
        ("example.xn--4gbrim", "letters"),
        ("xn--80ak6aa92e.com", "letters"),  # аррӏе, all in Cyrillic
        ("xn--knta-53d.fi", "letters"),  # kаnta with a Cyrillic а
        ("co.uk", "public-suffix"),
        ("aland.fi", "public-suffix"),
    ],
)
def test_other_host_names_are_refused_each_for_its_reason(name: str, code: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_dns_name(name)
    assert refused.value.code == f"dns-name-{code}"


@pytest.mark.parametrize(
    "unowned",
    [
        *(
            "a.test",
            "a.example",
            "a.invalid",
            "a.localhost",
            "a.local",
            "a.alt",
            "a.onion",
            "onion.onion",
            "a.internal",
        ),
        *("a.home.arpa", "a.arpa", "in-addr.arpa", "a.example.com", "example.com", "example.net", "a.b.example.org"),
        *("a.lan", "a.corp", "a.home", "a.mail", "a.intranet", "a.localdomain", "a.nosuchdomain"),
    ],
)
def test_f5_a_name_that_nobody_owns_is_refused(unowned: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_dns_name(unowned.upper())
    assert refused.value.code == "dns-name-unowned"
    assert check_dns_name("myexample.com") == "myexample.com"


def test_an_internationalised_name_is_answered_with_its_ascii_form() -> None:
    with pytest.raises(NameRefused, match=r"xn--trdgrd-cuak\.fi"):
        check_dns_name("Trädgård.fi")


def test_f5_the_letters_of_each_label_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label of 63 characters takes a tenth of a millisecond, and an application has up to 300 of them."""
    looked_up: list[str] = []
    ulabel = idna.ulabel

    def look_up(label: str) -> str:
        looked_up.append(label)
        return ulabel(label)

    monkeypatch.setattr(idna, "ulabel", look_up)
    monkeypatch.setattr(idna, "alabel", looked_up.append)
    check_dns_name("xn--hrvi-qoa.xn--no-lia73b.fi")
    assert looked_up == ["xn--hrvi-qoa", "xn--no-lia73b"]
    for name, code in ((f"xn--{'z' * 496}", "length"), (f"xn--zzz1.xn--{'z' * 59}.fi", "idn")):
        with pytest.raises(NameRefused) as refused:
            check_dns_name(name)
        assert refused.value.code == f"dns-name-{code}"
    assert looked_up[2:] == ["xn--zzz1"], "none of what is too long, and none behind one that is wrong"


@given(st.text(max_size=300))
def test_whatever_passes_as_a_host_name_has_only_its_characters(text: str) -> None:
    try:
        name = check_dns_name(text)
    except NameRefused:
        return
    assert re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", name)
    assert len(name) <= 253


def test_ip_addresses_of_both_versions_pass() -> None:
    assert check_ip_address("193.166.2.1") == ip_address("193.166.2.1")
    assert check_ip_address("2A00:1450::1") == ip_address("2a00:1450::1")


@pytest.mark.parametrize("wrong", ["", "192.0.2", "192.0.2.1/32", "fe80::1%eth0", "example.fi", "192.0.2.01"])
def test_other_ip_addresses_are_refused(wrong: str) -> None:
    with pytest.raises(NameRefused, match="IPv4 or IPv6") as refused:
        check_ip_address(wrong)
    assert refused.value.code == "ip-address-form"


@pytest.mark.parametrize(
    "reserved",
    [
        *(
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "100.64.0.1",
        ),
        *("192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "192.31.196.1", "192.0.0.9"),
        *("2001:db8::1", "3fff::1", "2001::1", "2001:1::1", "2001:20::1", "64:ff9b::1", "64:ff9b:1::1", "100::1"),
        *("100:0:0:1::1", "5f00::1", "fec0::1", "2620:4f:8000::1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:8.8.8.8", "2002:808:808::1"),
    ],
)
def test_f5_an_address_that_nobody_owns_is_refused(reserved: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_ip_address(reserved)
    assert refused.value.code == "ip-address-reserved"
    assert check_ip_address("8.8.8.8")
    assert check_ip_address("2a00:1450::1")


@pytest.mark.parametrize(
    "text", ["K\u0430nta", "\u041a\u0430\u043d\u0442\u0430", "Apteekki \u2167", "\uff2banta", "a\u0307b\u0323"]
)
def test_f5_letters_that_look_like_others_are_refused(text: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_subject_text(text, 64)
    assert refused.value.code == "text-letters"


@pytest.mark.parametrize(
    "text", ["Åbo Ärlig Öga", "Sámi dearvvašvuohta Ŋ Ŧ Đ Č Ž", "Sääʹm ǩiõll Ǯ Ǥ", "O\u0308ga", "Õhtu Oü – Nr 2™"]
)
def test_the_letters_of_the_languages_of_the_country_pass(text: str) -> None:
    assert check_subject_text(text, 64) == text


def test_a_subject_text_is_counted_in_characters_and_not_in_bytes() -> None:
    assert check_subject_text("ö" * 64, 64) == "ö" * 64
    with pytest.raises(NameRefused, match="65 characters") as refused:
        check_subject_text("ö" * 65, 64)
    assert refused.value.code == "text-too-long"


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_an_empty_subject_text_is_refused(text: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_subject_text(text, 64)
    assert refused.value.code == "text-empty"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(
            (text, "text-characters")
            for text in (" a", "a ", "a\nb", "a\0", "a\u202eb", "a\ud800", "a\u200b", "a\u2028b")
        ),
        *((text, "text-letters") for text in ("\u3164", "a\u2800b", "a\u034fb", "a\ufe0fb")),
    ],
)
def test_invisible_characters_are_refused(text: str, code: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_subject_text(text, 64)
    assert refused.value.code == code


def test_the_abbreviation_stands_in_for_a_name_that_is_too_long() -> None:
    assert fitting_text("Long enough", "LE", 11) == "Long enough"
    assert fitting_text("Long enough", "LE", 10) == "LE"
    for name, abbreviation in (("L" * 65, None), ("L" * 65, "l" * 65)):
        with pytest.raises(NameRefused) as refused:
            fitting_text(name, abbreviation, 64)
        assert refused.value.code == "text-too-long"


def test_the_common_name_is_the_first_host_name_that_fits() -> None:
    long = "a" * 62 + ".fi"
    assert server_common_name([long, "b.fi", "c.fi"], 64) == "b.fi"
    assert server_common_name(["a" * 61 + ".fi"], 64) == "a" * 61 + ".fi"
    for names in ([], [long]):
        with pytest.raises(NameRefused) as refused:
            server_common_name(names, 64)
        assert refused.value.code == "common-name-missing"
