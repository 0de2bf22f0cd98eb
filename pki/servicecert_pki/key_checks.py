"""All checks of a public key: visible weaknesses, and lists of compromised keys (A4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import badkeys
import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa

from .csr_faults import (
    KEY_CLOSE_PRIMES,
    KEY_KNOWN_PRIME,
    KEY_PATTERN,
    KEY_POWER,
    KEY_PRIME,
    KEY_ROCA,
    KEY_SMALL_FACTOR,
    CsrFault,
)
from .key_lists import NO_LISTS, KeyLists
from .keys import PublicKey
from .spki import KEY_SIZES, KeyFamily

LARGEST_RSA = max(KEY_SIZES[KeyFamily.RSA])
"""The largest RSA key that is checked: larger ones are refused for their size, and are costly to check."""

KeyCheck: TypeAlias = Callable[[PublicKey], tuple[CsrFault, ...]]

_SMALL_PRIMES = gmpy2.primorial(65537)

# badkeys' own names: ROCA, Fermat's method in 100 rounds, moduli with polynomial patterns, primes known from other
# keys. Its checks of exponents find nothing when the public exponent is 65537.
CHECKS: Mapping[str, CsrFault] = MappingProxyType(
    {"roca": KEY_ROCA, "fermat": KEY_CLOSE_PRIMES, "rsapoly": KEY_PATTERN, "sharedprimes": KEY_KNOWN_PRIME}
)


@dataclass(frozen=True)
class KeyChecks:
    """Every check of a key's quality, with the loaded lists of compromised keys. Safe for concurrent use by threads."""

    lists: KeyLists = NO_LISTS

    def __call__(self, key: PublicKey) -> tuple[CsrFault, ...]:
        """Return all faults of a key of any size. Whether it is prime, which is costly, is asked last."""
        return (*(weaknesses(key) or _prime(key)), *self.lists.faults(key))


KEY_CHECKS = KeyChecks()
"""All checks, without lists."""


def weaknesses(key: PublicKey) -> tuple[CsrFault, ...]:
    """Return the weaknesses that are cheap to find: of RSA keys of up to 4096 bits. P-384 has no known ones."""
    modulus = _modulus(key)
    if modulus is None:
        return ()
    if gmpy2.gcd(modulus, _SMALL_PRIMES) != 1:
        # The other checks are made for products of two primes, and some raise at an even number.
        return (KEY_SMALL_FACTOR,)
    names = badkeys.checkrsa(modulus, checks=CHECKS)
    power = (KEY_POWER,) if gmpy2.is_power(modulus) else ()
    return (*(CHECKS[name] for name in names), *power)


def _prime(key: PublicKey) -> tuple[CsrFault, ...]:
    """Return the fault of a prime modulus, by one exponentiation: 2 ms for 2048 bits, 14 ms for 4096.

    A product of two random primes passes this test less often than a processor errs.
    """
    modulus = _modulus(key)
    return (KEY_PRIME,) if modulus is not None and gmpy2.is_strong_prp(modulus, 2) else ()


def _modulus(key: PublicKey) -> int | None:
    return key.public_numbers().n if isinstance(key, rsa.RSAPublicKey) and key.key_size <= LARGEST_RSA else None
