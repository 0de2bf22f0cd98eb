"""All checks of a public key: visible weaknesses, and lists of compromised keys (A4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import badkeys
from cryptography.hazmat.primitives.asymmetric import rsa

from .csr_faults import KEY_CLOSE_PRIMES, KEY_KNOWN_PRIME, KEY_PATTERN, KEY_ROCA, KEY_SMALL_FACTOR, CsrFault
from .key_lists import NO_LISTS, KeyLists
from .keys import PublicKey
from .spki import KEY_SIZES, KeyFamily

LARGEST_RSA = max(KEY_SIZES[KeyFamily.RSA])
"""The largest RSA key that is checked: larger ones are refused for their size, and are costly to check."""

KeyCheck: TypeAlias = Callable[[PublicKey], tuple[CsrFault, ...]]

# badkeys' own names: ROCA, Fermat's method in 100 rounds, factors up to 65537, moduli with polynomial patterns, primes
# known from other keys. Its checks of exponents find nothing when the public exponent is 65537.
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
class KeyChecks:
    """Every check of a key's quality, with the loaded lists of compromised keys. Safe for concurrent use by threads."""

    lists: KeyLists = NO_LISTS

    def __call__(self, key: PublicKey) -> tuple[CsrFault, ...]:
        """Return all faults of a key of any size."""
        return (*weaknesses(key), *self.lists.faults(key))


KEY_CHECKS = KeyChecks()
"""All checks, without lists."""


def weaknesses(key: PublicKey) -> tuple[CsrFault, ...]:
    """Return the weaknesses that can be computed: of RSA keys of up to 4096 bits. P-384 has no known ones."""
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size > LARGEST_RSA:
        return ()
    numbers = key.public_numbers()
    names = badkeys.checkrsa(numbers.n, numbers.e, checks=CHECKS)
    return tuple(CHECKS[name] for name in names)


def no_check(_: PublicKey) -> tuple[CsrFault, ...]:
    """Return no faults: used to measure the cost of the checks."""
    return ()
