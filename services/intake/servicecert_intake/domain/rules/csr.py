"""Faults of the certificate request and its key, and the nightly search for keys that share a prime (A4)."""

from base64 import b64decode
from datetime import datetime, time, timedelta
from types import MappingProxyType

from pydantic import BaseModel
from servicecert_pki import csr_faults
from servicecert_pki.csr import public_key_info
from servicecert_pki.profile import Profile
from servicecert_pki.spki import CURVES, KeyFamily, family_of
from servicecert_pki.validity import day_of, in_helsinki
from servicecert_schemas.case import Deficiency

from ..registers.snapshot import Unit
from .application import Application, KeyRecord
from .deficiencies import CSR_FAULTS, CSR_REFUSED, Deficiencies, choice

_UNFIT = MappingProxyType({KeyFamily.RSA: csr_faults.KEY_SIZE.code, KeyFamily.EC: csr_faults.KEY_CURVE.code})


def request(application: Application, organisation: Unit | None, profile: Profile) -> Deficiencies:
    """Return every fault of the request, if any, and of its key."""
    csr = application.csr
    if csr is None:
        return ()
    unfit: tuple[str, ...] = ()
    if csr.der is not None and csr.key is not None:
        unfit = unfit_key(public_key_info(b64decode(csr.der)), profile)
    recorded = key_faults(application.key, None if organisation is None else organisation.business_id)
    return tuple(deficiency(code, profile) for code in (*csr.faults, *unfit, *recorded))


def deficiency(code: str, profile: Profile) -> Deficiency:
    """Return a fault's deficiency, with the limits of the certificate type. One without its own text gets a general."""
    sizes = choice(map(str, profile.keys[KeyFamily.RSA].sizes))
    curves = choice(CURVES[size] for size in profile.keys[KeyFamily.EC].sizes)
    return CSR_FAULTS.get(code, CSR_REFUSED).deficiency(sizes=sizes, curves=curves)


def unfit_key(spki: bytes, profile: Profile) -> tuple[str, ...]:
    """Return the fault of an otherwise accepted key that the certificate type does not allow.

    It is judged with the form and not when the request is read: a supplement may change the type.
    """
    return () if profile.allows_key(spki) else (_UNFIT[family_of(spki)],)


def key_faults(record: KeyRecord | None, business_id: str | None) -> tuple[str, ...]:
    """Return the codes of the reasons not to certify a key for an organisation.

    A key belongs to the organisation that it was first accepted for, even if no certificate was issued.
    """
    if record is None:
        return ()
    blocked = () if record.blocked is None else (f"key-{record.blocked}",)
    of_another = record.business_id is not None and business_id is not None and record.business_id != business_id
    return (*blocked, "key-of-another-organisation") if of_another else blocked


SEARCH = "shared-primes"
"""The kind of the deadline and of the intent."""

SEARCH_KEY = "keys/shared-primes"
"""The key under which it runs; no case has it."""

_BEGINS = time(4)


class SearchOrder(BaseModel):
    """An order to search all keys ever seen."""


class Searched(BaseModel):
    """The number of RSA keys searched, and how many of them share a prime."""

    keys: int
    sharing: int


def next_search(now: datetime) -> datetime:
    """Return four o'clock in the next night, in Helsinki."""
    return in_helsinki(day_of(now) + timedelta(days=1), _BEGINS)
