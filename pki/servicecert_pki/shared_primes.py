"""Finds RSA keys that share a prime: from two such public keys, anyone can compute both private keys.

The batch method of Bernstein ("How to find smooth parts of integers", 2004): each modulus is compared with the product
of all. The product of 100,000 moduli of 2048 bits has 25 MB; the trees below it are built for some thousands of moduli
at a time, so memory stays within a few such products.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

CHUNK = 8_192
"""Number of moduli in a tree."""

_Number: TypeAlias = Any


class Stopped(Exception):
    """The caller stopped the search."""


def modulus_of(spki: bytes) -> int:
    """Return the modulus of an RSA SubjectPublicKeyInfo; raises ValueError for any other key."""
    key = load_der_public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the key is no RSA key")
    return key.public_numbers().n


def find_shared_primes(
    moduli: Sequence[int], chunk: int = CHUNK, keep_going: Callable[[], bool] = lambda: True
) -> list[tuple[int, ...]]:
    """Return groups of indexes into `moduli` whose moduli share a factor; groups and indexes are sorted.

    Equal moduli are one key and no group. The GIL is released. Raises `Stopped` once `keep_going` returns False.
    """
    distinct = sorted(set(moduli))
    with gmpy2.context(gmpy2.get_context(), allow_release_gil=True):
        shared = _shared([gmpy2.mpz(modulus) for modulus in distinct], chunk, keep_going)
    return _groups(moduli, {int(modulus): int(factor) for modulus, factor in shared})


def _shared(moduli: Sequence[_Number], chunk: int, keep_going: Callable[[], bool]) -> list[tuple[_Number, _Number]]:
    """Return the moduli that share a factor with the product of all others, and that factor."""
    chunks = [moduli[start : start + chunk] for start in range(0, len(moduli), chunk)]
    products = [_tree(each, keep_going)[-1][0] for each in chunks]
    whole = _tree(products, keep_going)[-1][0] if products else gmpy2.mpz(1)
    return [shared for each in chunks for shared in _shared_in(each, whole, keep_going)]


def _shared_in(
    moduli: Sequence[_Number], whole: _Number, keep_going: Callable[[], bool]
) -> list[tuple[_Number, _Number]]:
    tree = _tree(moduli, keep_going)
    rests = [whole]
    for level in reversed(tree):
        _check(keep_going)
        rests = [rests[index // 2] % (number * number) for index, number in enumerate(level)]
    factors = [gmpy2.gcd(rest // modulus, modulus) for rest, modulus in zip(rests, moduli, strict=True)]
    return [(modulus, factor) for modulus, factor in zip(moduli, factors, strict=True) if factor != 1]


def _tree(numbers: Sequence[_Number], keep_going: Callable[[], bool]) -> list[list[_Number]]:
    """Return the levels of a product tree: the numbers, the products of pairs, and so on up to the product of all."""
    levels = [list(numbers)]
    while len(levels[-1]) > 1:
        _check(keep_going)
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)
        levels.append([one * other for one, other in pairs] + below[len(below) & ~1 :])
    return levels


def _groups(moduli: Sequence[int], shared: dict[int, int]) -> list[tuple[int, ...]]:
    """Return the indexes of connected moduli. Few share a factor, so comparing all pairs is affordable."""
    remaining, groups = sorted(shared), []
    while remaining:
        group, queue = {remaining[0]}, [remaining[0]]
        while queue:
            one = queue.pop()
            neighbours = {other for other in remaining if other not in group and gmpy2.gcd(one, other) != 1}
            group |= neighbours
            queue += neighbours
        remaining = [other for other in remaining if other not in group]
        groups.append(tuple(index for index, modulus in enumerate(moduli) if modulus in group))
    return sorted(groups)


def _check(keep_going: Callable[[], bool]) -> None:
    if not keep_going():
        raise Stopped
