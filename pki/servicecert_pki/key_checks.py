"""All checks of a public key: visible weaknesses, and lists of keys that are publicly known or compromised (A4).

The lists have the format of badkeys: sorted records of 16 octets, each the first 15 octets of the SHA-256 of an RSA
modulus or of an elliptic point's x, then the number of its list (badkeys, docs/BLOCKLISTFORMAT.md). Files are
memory-mapped: processes share them, and they may exceed memory.
"""

import json
import mmap
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import badkeys
import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa

from .csr_faults import (
    KEY_CLOSE_PRIMES,
    KEY_COMPROMISED,
    KEY_DEBIAN_WEAK,
    KEY_KNOWN_PRIME,
    KEY_LEAKED,
    KEY_PATTERN,
    KEY_POWER,
    KEY_PRIME,
    KEY_ROCA,
    KEY_SMALL_FACTOR,
    CsrFault,
)
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

PUBLIC_LIST = "blocklist.dat"
"""The list of badkeys (`badkeys --update-bl`); other `*.dat` files in the folder list the operator's keys."""

PUBLIC_NAMES = "badkeysdata.json"
_RECORD = 16
_HASH = 15
_SAMPLES = 100_000


class KeyListDamaged(Exception):
    """A file is not a list of keys; the message is one sentence that names the file and what to do."""

    exit_code = 78


@dataclass(frozen=True, eq=False)
class KeyList:
    """One file. `faults` maps a record's list number to its fault; other numbers mean `default`."""

    name: str
    records: mmap.mmap | bytes
    default: CsrFault
    faults: Mapping[int, CsrFault] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return len(self.records) // _RECORD

    def find(self, digest: bytes) -> CsrFault | None:
        """Return the fault of a listed key, by the first 15 octets of its hash; None for another key."""
        index = bisect_left(range(len(self)), digest, key=self._digest)
        if index == len(self) or self._digest(index) != digest:
            return None
        return self.faults.get(self.records[index * _RECORD + _HASH], self.default)

    def _digest(self, index: int) -> bytes:
        return self.records[index * _RECORD : index * _RECORD + _HASH]


@dataclass(frozen=True, eq=False)
class KeyLists:
    """All loaded lists; by default none."""

    lists: tuple[KeyList, ...] = ()

    def faults(self, key: PublicKey) -> tuple[CsrFault, ...]:
        if not self.lists:
            return ()
        digest = key_digest(key)
        faults = (each.find(digest) for each in self.lists)
        return tuple(dict.fromkeys(fault for fault in faults if fault is not None))

    def sizes(self) -> Mapping[str, int]:
        return {each.name: len(each) for each in self.lists}


NO_LISTS = KeyLists()


def key_digest(key: PublicKey) -> bytes:
    """Return the 15 octets that identify a key in lists."""
    numbers = key.public_numbers()
    number = numbers.n if isinstance(numbers, rsa.RSAPublicNumbers) else numbers.x
    return sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).digest()[:_HASH]


def load_key_lists(folder: Path) -> KeyLists:
    """Return all lists of a folder, memory-mapped; raises KeyListDamaged, also for a folder without lists."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".dat")
    except OSError as fault:
        raise KeyListDamaged(f"The folder of key lists {folder} cannot be read ({fault.strerror}).") from None
    if not paths:
        raise KeyListDamaged(
            f"There is no key list (*.dat) in {folder}: "
            f"run `badkeys --update-bl` and copy {PUBLIC_LIST} and {PUBLIC_NAMES} there."
        )
    return KeyLists(tuple(_load(path) for path in paths))


def _load(path: Path) -> KeyList:
    try:
        with path.open("rb") as file:
            records = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        records = None
    except OSError as fault:
        raise KeyListDamaged(f"The key list {path} cannot be read ({fault.strerror}).") from None
    if path.name != PUBLIC_LIST:
        loaded = KeyList(path.name, records or b"", KEY_COMPROMISED)
    else:
        loaded = KeyList(path.name, records or b"", KEY_LEAKED, _public_faults(path.with_name(PUBLIC_NAMES)))
    if len(loaded.records) % _RECORD or not _is_sorted(loaded):
        raise KeyListDamaged(f"The key list {path} is not a file of sorted records of {_RECORD} octets: copy it again.")
    return loaded


def _is_sorted(loaded: KeyList) -> bool:
    """Return whether neighbours are in order: all of them, or in a large list an evenly spread sample."""
    step = max(1, len(loaded) // _SAMPLES)
    return all(loaded._digest(index - 1) <= loaded._digest(index) for index in range(1, len(loaded), step))


def _public_faults(path: Path) -> Mapping[int, CsrFault]:
    try:
        lists = json.loads(path.read_bytes())["blocklists"]
        return {int(each["id"]): KEY_DEBIAN_WEAK for each in lists if "debian" in str(each["name"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise KeyListDamaged(f"{path} is missing or damaged: copy it again, together with {PUBLIC_LIST}.") from None


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
