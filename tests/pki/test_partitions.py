"""The list that covers a certificate, and the names of lists (D7)."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.partitions import FULL, MOST_PARTITIONS, crl_name, crl_url, partition_of
from servicecert_pki.serials import LARGEST_SERIAL, draw_serial

issuers = st.from_regex(r"(production|test)-(rsa|ec)(-[1-9][0-9]?)?", fullmatch=True)


@given(st.integers(1, LARGEST_SERIAL), st.integers(1, MOST_PARTITIONS))
def test_D7_a_certificate_is_in_one_of_the_partitions(serial: int, partitions: int) -> None:
    assert FULL < partition_of(serial, partitions) <= partitions


def test_D7_the_partitions_grow_alike() -> None:
    drawn = Counter(partition_of(draw_serial(), 16) for _ in range(16_000))
    assert len(drawn) == 16
    assert all(700 < count < 1300 for count in drawn.values())


def test_D7_no_partitions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        partition_of(1, 0)


@given(st.tuples(issuers, st.integers(0, MOST_PARTITIONS)), st.tuples(issuers, st.integers(0, MOST_PARTITIONS)))
def test_D7_no_two_lists_have_one_name(one: tuple[str, int], other: tuple[str, int]) -> None:
    """Not even those of a CA's generation and of a partition with the same number."""
    assert (crl_name(*one) == crl_name(*other)) is (one == other)
    assert re.fullmatch(r"[a-z0-9-]+(\.[1-9][0-9]*)?\.crl", crl_name(*one))


def test_D7_a_list_is_fetched_under_its_name() -> None:
    assert crl_url("http://crl.example.fi", "test-ec-2", FULL) == "http://crl.example.fi/test-ec-2.crl"
    assert crl_url("http://crl.example.fi", "test-ec", 2) == "http://crl.example.fi/test-ec.2.crl"
