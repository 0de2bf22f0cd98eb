"""RSA moduli with one weakness each, and requests with them."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
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


# By the size in bits: the last term of the primes of Diffie and Hellman's groups (RFC 2409, 6.2, and RFC 3526).
_PRIMES = {1024: 129093, 2048: 124476, 3072: 1690314, 4096: 240904}


@cache
def prime(bits: int = 2048) -> int:
    """Return a prime without any other weakness. Whoever knows it knows the order of its group: one less."""
    with gmpy2.context(precision=bits):
        pi = int(gmpy2.floor(gmpy2.mul_2exp(gmpy2.const_pi(), bits - 130)))
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((pi + _PRIMES[bits]) << 64)


@cache
def power(exponent: int = 3, bits: int = 2048) -> tuple[int, int]:
    """Return a power of a prime, and the order of its group."""
    root = gmpy2.next_prime(gmpy2.iroot(gmpy2.mpz(5 << (bits - 3)), exponent)[0])
    return int(root**exponent), int(root ** (exponent - 1) * (root - 1))


def shifted(bits: int = 2048) -> int:
    """Return an odd number times a power of two: at its lower half of zeros a check of badkeys divides by zero."""
    return strong(bits // 2) << (bits // 2)


def request(modulus: int, exponent: int = 65537, order: int | None = None) -> bytes:
    """Return a DER request with this RSA key. Its signature verifies if the `order` of the key's group is given."""
    return encoded_request(der.integer(modulus), der.integer(exponent), _signer(modulus, exponent, order))


def encoded_request(modulus: bytes, exponent: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Return a DER request with an RSA key of these encoded numbers."""
    spki = der.sequence(
        bytes.fromhex("300d06092a864886f70d0101010500"), der.bit_string(der.sequence(modulus, exponent))
    )
    # A name makes every request long enough to be told from a text.
    name = der.sequence(der.tlv(der.SET, der.sequence(der.oid("2.5.4.3"), der.tlv(der.UTF8_STRING, b"a" * 128))))
    info = der.sequence(der.integer(0), name, spki, der.tlv(0xA0))
    return der.sequence(info, bytes.fromhex("300d06092a864886f70d01010b0500"), der.bit_string(sign(info)))


def _signer(modulus: int, exponent: int, order: int | None) -> Callable[[bytes], bytes]:
    """Return what signs by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.1), or an invalid signature without order."""
    length = (modulus.bit_length() + 7) // 8

    def sign(content: bytes) -> bytes:
        if order is None:
            return b"\1" * length
        digest = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(content).digest()
        padded = b"\0\1" + b"\xff" * (length - len(digest) - 3) + b"\0" + digest
        return pow(int.from_bytes(padded, "big"), pow(exponent, -1, order), modulus).to_bytes(length, "big")

    return sign
