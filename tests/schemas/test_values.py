from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from servicecert_schemas.values import (
    AddressText,
    AttributeText,
    Base64,
    BusinessId,
    CertificateType,
    Day,
    EmailAddress,
    HttpUrl,
    Identifier,
    Instant,
    IpAddress,
    Language,
    LongText,
    Oid,
    SerialNumber,
    Sha256,
    Text,
    Texts,
    UserId,
    is_business_id,
    organisation_oid,
)


def refused(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return str(caught.value.errors()[0]["msg"])


def accepted(kind: Any, value: object) -> None:
    TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("business_id", ["0204819-8", "9912340-5", "9900124-8", "0000000-0"])
def test_A5_a_business_id_with_its_check_digit_is_one(business_id: str) -> None:
    assert is_business_id(business_id)
    accepted(BusinessId, business_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0204819-7",
        "0204819",
        "02048198",
        "204819-8",
        "0204819-8 ",
        "0204819-x",
        "020481x-8",
        "٠204819-8",
        "0204819–8",
    ],
)
def test_A5_anything_else_is_none(text: str) -> None:
    assert not is_business_id(text)
    refused(BusinessId, text)


def test_A5_a_wrong_check_digit_is_answered_with_the_shape_of_a_right_one() -> None:
    assert "seven digits, a hyphen and a matching check digit" in refused(BusinessId, "0204819-7")


def test_A5_remainder_1_never_exists() -> None:
    # 7*1 + 9*1 + 10*1 + 5*1 + 8*1 + 4*1 + 2*1 = 45 = 4 * 11 + 1
    assert not any(is_business_id(f"1111111-{digit}") for digit in range(10))


@given(st.integers(0, 9_999_999))
def test_A5_seven_digits_have_one_check_digit_or_none(number: int) -> None:
    digits = f"{number:07}"
    remainder = sum(weight * int(digit) for weight, digit in zip((7, 9, 10, 5, 8, 4, 2), digits, strict=True)) % 11
    right = [digit for digit in range(10) if is_business_id(f"{digits}-{digit}")]
    assert right == ([] if remainder == 1 else [0] if remainder == 0 else [11 - remainder])


def test_A5_the_oid_of_an_organisation_drops_hyphen_and_leading_zero() -> None:
    assert organisation_oid("0204819-8") == "1.2.246.10.2048198"
    assert organisation_oid("9912340-5") == "1.2.246.10.99123405"
    accepted(Oid, organisation_oid("0204819-8"))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (Oid, "1.2.246.10", "1.2.0246"),
        (SerialNumber, "4d8a31", "4D8A31"),
        (SerialNumber, "7f" * 20, "80" * 20),
        (SerialNumber, "ff" * 19, "ff" * 20),
        (SerialNumber, "01", "00"),
        (SerialNumber, "0a", "000a"),
        (Day, "2026-11-24", "1949-12-31"),
        (Day, "2999-12-31", "3000-01-01"),
        (Sha256, "0" * 64, "0" * 63),
        (Identifier, "account-3107", "Maija Mallikas"),
        (Base64, "YWI=", "YWI"),
        (Base64, "YWJj", "YWJj\n"),
        (EmailAddress, "maija@laakaritalo.example", "Maija <maija@laakaritalo.example>"),
        (HttpUrl, "http://crl.varmenne.example/a.crl", "file:///etc/passwd"),
        (IpAddress, "2001:db8::17", "2001:DB8::17"),
        (Text, "å" * 200, "å" * 201),
        (LongText, "a\nb", "a" * 4_001),
        (AttributeText, "Onnela", "On\x00nela"),
    ],
)
def test_a_value_is_of_its_shape(kind: object, right: str, wrong: str) -> None:
    accepted(kind, right)
    refused(kind, wrong)


@pytest.mark.parametrize("kind", [Text, AddressText, LongText])
def test_a_null_character_that_somebody_typed_is_read_as_one_that_can_be_stored(kind: object) -> None:
    adapter = TypeAdapter[str](kind)
    assert adapter.validate_json(b'"\\u0000On\\u0000nela"', strict=True) == "\ufffdOn\ufffdnela"


@pytest.mark.parametrize("id", ["user-3107", "7b1f0c9e-5d47-4a8e-8d21-b6a7c2e4f905", "u131052-308T", "131052-308U"])
def test_E3_a_user_is_named_by_a_reference(id: str) -> None:
    accepted(UserId, id)


@pytest.mark.parametrize(
    "id", ["131052-308T", "user:131052-308t", "131052A308T", "siiri@onnela.example", "Siiri Sepitetty"]
)
def test_E3_a_user_is_not_named_by_a_personal_identity_code_an_address_or_a_name(id: str) -> None:
    refused(UserId, id)


def test_a_moment_needs_a_time_zone_and_is_kept_in_utc() -> None:
    adapter = TypeAdapter[datetime](Instant)
    helsinki = timezone(timedelta(hours=2))
    assert adapter.validate_python(datetime(2026, 11, 24, 10, tzinfo=helsinki)) == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert adapter.validate_json(b'"2026-11-24T10:00:00+02:00"').utcoffset() == timedelta(0)
    assert "timezone" in refused(Instant, "2026-11-24T10:00:00")


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+02:00", "1949-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "9999-12-31T23:59:59-02:00"]
)
def test_I6_a_moment_of_an_absurd_year_is_refused_and_overflows_nothing(text: str) -> None:
    assert "between the years 1950 and 2999" in refused(Instant, text)


def test_texts_speak_the_three_languages() -> None:
    texts = Texts(sv="hej", fi="hei", en="hello")
    assert [texts.in_language(language) for language in Language] == ["hej", "hei", "hello"]


def test_the_four_types_are_test_or_not_and_server_or_not() -> None:
    assert [(kind.is_test, kind.is_server) for kind in CertificateType] == [
        (False, True),
        (True, True),
        (False, False),
        (True, False),
    ]
