"""Lists of keys that are publicly known or compromised, in badkeys' format: sorted records of 16 octets.

A record is the first 15 octets of the SHA-256 of an RSA modulus, or of an elliptic point's x, and the number of the list it comes from (badkeys,
docs/BLOCKLISTFORMAT.md). The files are mapped, not read: processes share them, and they may be larger than memory.

    KeyListDamaged      a file is no such list; the message is one sentence with the way out
"""

import json
import mmap
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import rsa

from .csr_faults import KEY_COMPROMISED, KEY_DEBIAN_WEAK, KEY_LEAKED, CsrFault
from .keys import PublicKey

PUBLIC_LIST = "blocklist.dat"
"""The list that badkeys keeps (`badkeys --update-bl`). Every other `*.dat` of the folder is an operator's own, of compromised keys."""

PUBLIC_NAMES = "badkeysdata.json"
_RECORD = 16
_HASH = 15
_SAMPLES = 100_000


class KeyListDamaged(Exception):
    """A file is no list of keys; the message is one sentence that names the file and the way out."""


@dataclass(frozen=True, eq=False)
class KeyList:
    """One file. `faults` says what a record means by its list number, `otherwise` what one of any other number means."""

    name: str
    records: mmap.mmap | bytes
    otherwise: CsrFault
    faults: Mapping[int, CsrFault] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return len(self.records) // _RECORD

    def find(self, digest: bytes) -> CsrFault | None:
        """Return what the list says of a key, by the first 15 octets of its hash."""
        place = bisect_left(range(len(self)), digest, key=self._digest)
        if place == len(self) or self._digest(place) != digest:
            return None
        return self.faults.get(self.records[place * _RECORD + _HASH], self.otherwise)

    def _digest(self, place: int) -> bytes:
        return self.records[place * _RECORD : place * _RECORD + _HASH]


@dataclass(frozen=True, eq=False)
class KeyLists:
    """All lists that are loaded; none is the default."""

    lists: tuple[KeyList, ...] = ()

    def faults(self, key: PublicKey) -> tuple[CsrFault, ...]:
        """Return what the lists say of a key, each thing once."""
        if not self.lists:
            return ()
        digest = key_digest(key)
        found = (each.find(digest) for each in self.lists)
        return tuple(dict.fromkeys(fault for fault in found if fault is not None))

    def sizes(self) -> Mapping[str, int]:
        """Return the number of keys in each list, by file name."""
        return {each.name: len(each) for each in self.lists}


NO_LISTS = KeyLists()


def key_digest(key: PublicKey) -> bytes:
    """Return the 15 octets by which lists know a key."""
    numbers = key.public_numbers()
    number = numbers.n if isinstance(numbers, rsa.RSAPublicNumbers) else numbers.x
    return sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).digest()[:_HASH]


def load_key_lists(folder: Path) -> KeyLists:
    """Map every list of a folder; raises KeyListDamaged. A folder without any is told as well: its setting promises one."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".dat")
    except OSError as fault:
        raise KeyListDamaged(f"The folder of key lists {folder} cannot be read ({fault.strerror}).") from None
    if not paths:
        raise KeyListDamaged(
            f"There is no key list (*.dat) in {folder}: run `badkeys --update-bl` and copy {PUBLIC_LIST} and {PUBLIC_NAMES} there."
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
        raise KeyListDamaged(f"The key list {path} is no file of sorted records of {_RECORD} octets: load it anew.")
    return loaded


def _is_sorted(loaded: KeyList) -> bool:
    """Whether neighbours are in order: all of them in a list of an operator's size, evenly spread ones of a large list."""
    step = max(1, len(loaded) // _SAMPLES)
    return all(loaded._digest(place - 1) <= loaded._digest(place) for place in range(1, len(loaded), step))


def _public_faults(path: Path) -> Mapping[int, CsrFault]:
    """Which of the numbers in the public list are Debian's weak keys."""
    try:
        lists = json.loads(path.read_bytes())["blocklists"]
        return {int(each["id"]): KEY_DEBIAN_WEAK for each in lists if "debian" in str(each["name"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise KeyListDamaged(f"{path} is missing or damaged: it comes with {PUBLIC_LIST}; copy both anew.") from None
