"""A4: the checks of keys. Each weakness is found and has its own reason, among others; a strong key has none."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import badkeys
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.key_checks import CHECKS, KeyChecks, weaknesses

from pki import weak_keys

WEAK: dict[str, Callable[[], int]] = {
    "key-roca": weak_keys.roca,
    "key-close-primes": lambda: weak_keys.close_primes(0),
    "key-small-factor": weak_keys.small_factor,
    "key-pattern": weak_keys.patterned,
}


KEY_CHECKS = KeyChecks()


def codes(modulus: int, check=KEY_CHECKS) -> tuple[str, ...]:
    return tuple(fault.code for fault in judge_csr(weak_keys.request(modulus), check))


def refused(request: bytes) -> tuple[str, ...]:
    judged = judge_csr(request)
    assert not isinstance(judged, Csr), "accepted"
    return tuple(fault.code for fault in judged)


def public_key(modulus: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


@pytest.mark.parametrize("code", WEAK)
def test_A4_a_weak_key_is_refused_for_its_own_reason(code):
    assert codes(WEAK[code]()) == (code,)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_A4_a_prime_and_a_power_are_no_modulus(bits):
    prime = weak_keys.prime(bits)
    assert refused(weak_keys.request(prime, order=prime - 1)) == ("key-prime",)
    for exponent in (3, 5, 11):
        power, order = weak_keys.power(exponent, bits)
        assert refused(weak_keys.request(power, order=order)) == ("key-power",)
    square, order = weak_keys.power(2, bits)
    assert refused(weak_keys.request(square, order=order)) == ("key-close-primes", "key-power")


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_A4_a_number_that_a_library_s_check_divides_by_is_refused(bits):
    assert codes(weak_keys.shifted(bits)) == ("key-small-factor",)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_A4_weaknesses_are_found_in_every_size(bits):
    assert codes(weak_keys.roca(bits)) == ("key-roca",)
    assert codes(weak_keys.close_primes(1, bits)) == ("key-close-primes",)
    assert codes(weak_keys.small_factor(bits)) == ("key-small-factor",)
    assert weaknesses(public_key(weak_keys.strong(bits))) == ()


def test_A4_fermat_s_method_goes_on_for_a_hundred_rounds():
    assert codes(weak_keys.close_primes(95)) == ("key-close-primes",)
    assert codes(weak_keys.close_primes(300)) == ("csr-signature-invalid",)


def test_A4_a_prime_that_others_gave_away_is_known(monkeypatch):
    modulus = weak_keys.strong()
    prime = weak_keys.strong(1024, seed=9)
    codes(modulus)
    known = sys.modules["badkeys.rsakeys.sharedprimes"]._moduli
    monkeypatch.setitem(known, 2048, known[2048] * prime)
    shared = weak_keys._search(5, lambda random: prime * random.getrandbits(1024), 2048)
    assert codes(shared) == ("key-known-prime",)
    assert codes(modulus) == ("csr-signature-invalid",)


def test_A4_all_that_is_wrong_with_a_key_is_told_at_once():
    assert codes(weak_keys.roca(1024)) == ("key-size", "key-roca")
    assert codes(weak_keys.small_factor(1024)) == ("key-size", "key-small-factor")


def test_a_key_of_absurd_size_is_refused_unlooked_at():
    assert codes(weak_keys.strong(8192) * 3) == ("key-size",)


def test_elliptic_keys_have_no_such_weakness():
    assert KeyChecks()(ec.generate_private_key(ec.SECP384R1()).public_key()) == ()


def test_without_the_battery_nothing_is_looked_for():
    assert codes(weak_keys.roca(), lambda _: ()) == ("csr-signature-invalid",)


def test_threads_find_the_same():
    keys = {code: public_key(make()) for code, make in WEAK.items()}
    with ThreadPoolExecutor(8) as threads:
        faults = list(threads.map(weaknesses, list(keys.values()) * 50))
    assert [each.code for (each,) in faults] == list(keys) * 50


@pytest.mark.parametrize("seed", range(10, 20))
def test_A4_the_battery_finds_nothing_in_a_strong_key(seed):
    assert weaknesses(public_key(weak_keys.strong(2048, seed))) == ()


def test_A4_what_raises_at_a_key_is_an_invalid_key(monkeypatch, caplog):
    def divides(*numbers, **_):
        raise ZeroDivisionError(str(numbers))

    monkeypatch.setattr(badkeys, "checkrsa", divides)
    modulus = weak_keys.strong()
    assert codes(modulus) == ("key-invalid",)
    (logged,) = caplog.records
    assert (logged.levelname, logged.exc_info) == ("WARNING", None)
    assert logged.getMessage().endswith("error=ZeroDivisionError in=divides")
    assert str(modulus)[:20] not in caplog.text


def test_a_fault_of_the_machine_is_none_of_the_key(monkeypatch):
    def fails(*_, **__):
        raise FileNotFoundError("primes2048.dat")

    monkeypatch.setattr(badkeys, "checkrsa", fails)
    with pytest.raises(FileNotFoundError):
        codes(weak_keys.strong())


def test_each_check_has_its_reason():
    assert len(set(CHECKS.values())) == len(CHECKS)
