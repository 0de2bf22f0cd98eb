from datetime import UTC, datetime

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki import der
from servicecert_pki.strict_der import check_strict

times = st.datetimes(datetime.fromisoformat("1950-01-01"), datetime.fromisoformat("9999-12-31"), timezones=st.just(UTC))


@given(st.integers(min_value=0, max_value=1 << 4096))
def test_integers_are_read_back_by_another_decoder(number: int) -> None:
    assert core.Integer.load(der.integer(number), strict=True).native == number
    assert core.Integer(number).dump() == der.integer(number)


def test_negative_integers_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        der.integer(-1)


@given(st.sampled_from(["0.39", "1.0", "1.39", "2.5", "2.999"]), st.lists(st.integers(0, 1 << 40), max_size=8))
def test_object_identifiers_are_read_back_by_another_decoder(first: str, rest: list[int]) -> None:
    dotted = ".".join((first, *map(str, rest)))
    assert core.ObjectIdentifier.load(der.oid(dotted), strict=True).dotted == dotted


@pytest.mark.parametrize("wrong", ["", "1", "3.1", "0.40", "1.2.-3", "1..2", "a.b"])
def test_malformed_object_identifiers_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"object identifier|not enough values|invalid literal"):
        der.oid(wrong)


@given(times)
def test_times_are_utctime_through_2049_and_then_generalized(when: datetime) -> None:
    encoded = der.time(when)
    kind = core.UTCTime if when.year < 2050 else core.GeneralizedTime
    assert kind.load(encoded, strict=True).native == when.replace(microsecond=0)


def test_times_at_the_boundary_and_without_a_zone() -> None:
    assert der.time(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)) == b"\x17\x0d491231235959Z"
    assert der.time(datetime(2050, 1, 1, tzinfo=UTC)) == b"\x18\x0f20500101000000Z"
    with pytest.raises(ValueError, match="time zone"):
        der.time(datetime.fromisoformat("2026-11-24"))


@given(st.binary(max_size=70_000))
def test_lengths_are_read_back(content: bytes) -> None:
    encoded = der.tlv(der.OCTET_STRING, content)
    assert check_strict(encoded) == (der.OCTET_STRING, 0, len(encoded) - len(content), len(encoded))


@pytest.mark.parametrize(
    ("encoded", "sentence"),
    [
        ("", "inside a header"),
        ("30", "inside a header"),
        ("3003020100ff", "bytes follow"),
        ("300402010000", "inside a header"),
        ("1f0100", "tag of several octets"),
        ("0481020000", "shortest form"),
        ("048200020000", "shortest form"),
        ("3080", "shortest form"),
        ("30800000", "shortest form"),
        ("30023080", "shortest form"),
        ("0403ff", "inside a value"),
        ("0484ffffffff00", "inside a value"),
        ("0482", "inside a value"),
        ("0101" + "01", "no valid BOOLEAN"),
        ("3004" + "02020001", "no valid INTEGER"),
        ("3003" + "220100", "constructed of several"),
    ],
)
def test_what_is_not_der_is_refused(encoded: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_strict(bytes.fromhex(encoded))
