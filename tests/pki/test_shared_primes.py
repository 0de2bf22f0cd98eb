"""A4: keys that share a prime are indexes among all keys, for any size of chunks."""

from itertools import pairwise
from random import Random

import gmpy2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servicecert_pki.csr import public_key_info
from servicecert_pki.shared_primes import Stopped, find_shared_primes, modulus_of

from pki import weak_keys

PRIMES = [int(gmpy2.next_prime(Random(seed).getrandbits(512))) for seed in range(40)]


def moduli(*pairs: tuple[int, int]) -> list[int]:
    return [PRIMES[one] * PRIMES[other] for one, other in pairs]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=30), st.integers(1, 7))
def test_A4_the_groups_are_those_that_comparing_all_pairs_finds(pairs, chunk):
    numbers = moduli(*pairs)
    indexes = {index for group in find_shared_primes(numbers, chunk) for index in group}
    assert indexes == {
        index
        for index, number in enumerate(numbers)
        if any(other != number and gmpy2.gcd(number, other) != 1 for other in numbers)
    }


def test_A4_a_group_holds_all_that_hang_together_and_no_other():
    numbers = moduli((0, 1), (2, 3), (1, 4), (5, 6), (4, 7), (6, 8), (9, 9))
    assert find_shared_primes(numbers) == [(0, 2, 4), (3, 5)]


def test_the_same_key_twice_is_no_group():
    assert find_shared_primes(moduli((0, 1), (0, 1), (2, 3))) == []
    assert find_shared_primes(moduli((0, 1), (0, 1), (1, 3))) == [(0, 1, 2)]


def test_of_many_keys_the_few_are_found():
    primes = [int(gmpy2.next_prime(Random(100 + seed).getrandbits(256))) for seed in range(400)]
    numbers = [one * other for one, other in pairwise(primes)][::2]
    assert find_shared_primes([*numbers, primes[0] * primes[300]], 64) == [(0, 150, 200)]


def test_no_keys_share_nothing():
    assert find_shared_primes([]) == []
    assert find_shared_primes(moduli((0, 1))) == []


def test_a_search_can_be_stopped():
    with pytest.raises(Stopped):
        find_shared_primes(moduli((0, 1), (2, 3)), keep_going=lambda: False)


def test_the_modulus_is_read_from_a_request_s_key():
    assert modulus_of(public_key_info(weak_keys.request(weak_keys.strong()))) == weak_keys.strong()
    with pytest.raises(ValueError, match="no RSA key"):
        modulus_of(bytes.fromhex("302a300506032b6570032100") + b"\1" * 32)
