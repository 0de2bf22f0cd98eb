"""RSA keys that share a prime, found among all keys at once: from two of them, anybody computes both private keys.

The batch method of Bernstein ("How to find smooth parts of integers", 2004): each modulus is compared with the product of all. The product of
100,000 moduli of 2048 bits has 25 MB; the trees below it are built for some thousands at a time, so that memory stays within some such products.

    Stopped             what `find_shared_primes` raises when it is told to stop
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

CHUNK = 8_192
"""How many moduli share a tree."""

_Number: TypeAlias = Any


class Stopped(Exception):
    """The search was told to stop."""


def modulus_of(spki: bytes) -> int:
    """Return the modulus of an RSA SubjectPublicKeyInfo; raises ValueError for any other key."""
    key = load_der_public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the key is no RSA key")
    return key.public_numbers().n


def find_shared_primes(
    moduli: Sequence[int], chunk: int = CHUNK, go_on: Callable[[], bool] = lambda: True
) -> list[tuple[int, ...]]:
    """Return the groups of places in `moduli` whose moduli have a factor in common, each group and its places in order.

    Equal moduli are one key and no group. Other threads run during the arithmetic. `go_on` is asked now and then; raises `Stopped`.
    """
    distinct = sorted(set(moduli))
    with gmpy2.context(gmpy2.get_context(), allow_release_gil=True):
        shared = _shared([gmpy2.mpz(modulus) for modulus in distinct], chunk, go_on)
    return _groups(moduli, {int(modulus): int(factor) for modulus, factor in shared})


def _shared(moduli: Sequence[_Number], chunk: int, go_on: Callable[[], bool]) -> list[tuple[_Number, _Number]]:
    """The moduli that have a factor in common with the product of all others, and that factor."""
    chunks = [moduli[start : start + chunk] for start in range(0, len(moduli), chunk)]
    products = [_tree(each, go_on)[-1][0] for each in chunks]
    whole = _tree(products, go_on)[-1][0] if products else gmpy2.mpz(1)
    return [found for each in chunks for found in _shared_in(each, whole, go_on)]


def _shared_in(moduli: Sequence[_Number], whole: _Number, go_on: Callable[[], bool]) -> list[tuple[_Number, _Number]]:
    tree = _tree(moduli, go_on)
    rests = [whole]
    for level in reversed(tree):
        _check(go_on)
        rests = [rests[place // 2] % (number * number) for place, number in enumerate(level)]
    factors = [gmpy2.gcd(rest // modulus, modulus) for rest, modulus in zip(rests, moduli, strict=True)]
    return [(modulus, factor) for modulus, factor in zip(moduli, factors, strict=True) if factor != 1]


def _tree(numbers: Sequence[_Number], go_on: Callable[[], bool]) -> list[list[_Number]]:
    """The numbers, the products of each two of them, and so on up to the product of all."""
    levels = [list(numbers)]
    while len(levels[-1]) > 1:
        _check(go_on)
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)
        levels.append([one * other for one, other in pairs] + below[len(below) & ~1 :])
    return levels


def _groups(moduli: Sequence[int], shared: dict[int, int]) -> list[tuple[int, ...]]:
    """The places whose moduli hang together, each by a common factor with another of its group. Few share, so that all pairs can be looked at."""
    left, groups = sorted(shared), []
    while left:
        group, ahead = {left[0]}, [left[0]]
        while ahead:
            one = ahead.pop()
            near = {other for other in left if other not in group and gmpy2.gcd(one, other) != 1}
            group |= near
            ahead += near
        left = [other for other in left if other not in group]
        groups.append(tuple(place for place, modulus in enumerate(moduli) if modulus in group))
    return sorted(groups)


def _check(go_on: Callable[[], bool]) -> None:
    if not go_on():
        raise Stopped
