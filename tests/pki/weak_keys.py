"""RSA moduli with one weakness each, and requests with them. The requests' signatures are invalid and not checked."""

from collections.abc import Callable
from functools import cache
from random import Random

import gmpy2
from servicecert_pki import der

_ROCA_MODULUS = 0x924CBA6AE99DFA084537FACC54948DF0C23DA044D8CABE0EDD75BC6


def _search(seed: int, draw: Callable[[Random], int], bits: int) -> int:
    """Return the first drawn number with `bits` bits and no factor up to 65537."""
    random = Random(seed)
    primes = gmpy2.primorial(65537)
    while True:
        number = draw(random)
        if number.bit_length() == bits and gmpy2.gcd(number, primes) == 1:
            return number


@cache
def roca(bits: int = 2048) -> int:
    """Return a modulus that is a power of 65537 modulo the product of the first primes, like the faulty library's."""
    rest = pow(65537, 12345, _ROCA_MODULUS)
    return _search(1, lambda random: rest + _ROCA_MODULUS * random.getrandbits(bits - _ROCA_MODULUS.bit_length()), bits)


@cache
def close_primes(rounds: int, bits: int = 2048) -> int:
    """Return a modulus that Fermat's method factors in about `rounds`: a - isqrt(n) is about (p-q)^2 / 8 / sqrt(n)."""
    p = gmpy2.next_prime((3 << (bits // 2 - 2)) + Random(6).getrandbits(bits // 2 - 3))
    q = gmpy2.next_prime(p + gmpy2.isqrt(8 * p * rounds))
    return int(p * q)


def small_factor(bits: int = 2048) -> int:
    """Return a modulus with the largest of the small primes as factor."""
    return 65537 * _search(2, lambda random: random.getrandbits(bits - 16), bits - 16)


def patterned(bits: int = 2048) -> int:
    """Return a modulus with at most 16 bits set of each 128."""

    def draw(random: Random) -> int:
        chunks = [random.getrandbits(16) | 1 for _ in range(bits // 128 - 1)]
        return sum(chunk << (128 * place) for place, chunk in enumerate(chunks)) | 1 << (bits - 1) | 1 << (bits - 128)

    return _search(3, draw, bits)


@cache
def strong(bits: int = 2048, seed: int = 4) -> int:
    """Return a modulus without any weakness that is checked."""
    return _search(seed, lambda random: random.getrandbits(bits), bits)


def request(modulus: int, exponent: int = 65537) -> bytes:
    """Return a DER request with this RSA key."""
    key = der.bit_string(der.sequence(der.integer(modulus), der.integer(exponent)))
    spki = der.sequence(bytes.fromhex("300d06092a864886f70d0101010500"), key)
    info = der.sequence(der.integer(0), der.sequence(), spki, der.tlv(0xA0))
    signature = der.bit_string(b"\1" * ((modulus.bit_length() + 7) // 8))
    return der.sequence(info, bytes.fromhex("300d06092a864886f70d01010b0500"), signature)
