"""The battery: whether a public key is weak in a way that can be seen from outside, or known to be lost (A4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import badkeys
from cryptography.hazmat.primitives.asymmetric import rsa

from .csr_faults import KEY_CLOSE_PRIMES, KEY_KNOWN_PRIME, KEY_PATTERN, KEY_ROCA, KEY_SMALL_FACTOR, CsrFault
from .key_lists import NO_LISTS, KeyLists
from .keys import PublicKey

LARGEST_RSA = 4096
"""The largest RSA key that the checks look at: larger ones are refused for their size, and dear to look at."""

KeyCheck: TypeAlias = Callable[[PublicKey], tuple[CsrFault, ...]]

# badkeys' own names: Fermat's method in 100 rounds, ROCA, factors up to 65537, moduli in which polynomials show, primes that
# others' keys gave away. Its checks of small private or odd public exponents find nothing where the exponent is 65537.
CHECKS: Mapping[str, CsrFault] = MappingProxyType(
    {
        "roca": KEY_ROCA,
        "fermat": KEY_CLOSE_PRIMES,
        "smallfactors": KEY_SMALL_FACTOR,
        "rsapoly": KEY_PATTERN,
        "sharedprimes": KEY_KNOWN_PRIME,
    }
)


@dataclass(frozen=True)
class KeyBattery:
    """Every check of a key's quality, with the lists of lost keys that are loaded. May be used by several threads at once."""

    lists: KeyLists = NO_LISTS

    def __call__(self, key: PublicKey) -> tuple[CsrFault, ...]:
        """Return everything that is wrong with a key of whatever size."""
        return (*weaknesses(key), *self.lists.faults(key))


BATTERY = KeyBattery()
"""The battery without lists."""


def weaknesses(key: PublicKey) -> tuple[CsrFault, ...]:
    """Return what computing tells of a key: of RSA keys of up to 4096 bits. Nothing of the kind is known of points on P-384."""
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size > LARGEST_RSA:
        return ()
    numbers = key.public_numbers()
    found = badkeys.checkrsa(numbers.n, numbers.e, checks=CHECKS)
    return tuple(CHECKS[name] for name in found)


def no_check(_: PublicKey) -> tuple[CsrFault, ...]:
    """Find nothing: to measure what the checks cost."""
    return ()
