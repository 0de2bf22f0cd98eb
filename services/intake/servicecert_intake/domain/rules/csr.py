"""Faults of the certificate request and its key (A4)."""

from base64 import b64decode
from types import MappingProxyType

from servicecert_pki import csr_faults
from servicecert_pki.csr import public_key_info
from servicecert_pki.profile import Profile
from servicecert_pki.spki import KeyFamily, family_of
from servicecert_schemas.case import Deficiency

from ..registers.snapshot import Unit
from . import limits
from .application import Application, Blocked, KeyRecord
from .deficiencies import CSR_FAULTS, CSR_REFUSED, Deficiencies

_BLOCKED = MappingProxyType({Blocked.COMPROMISED: "key-compromised", Blocked.SHARED_PRIME: "key-shared-prime"})
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
    lack = CSR_FAULTS.get(code, CSR_REFUSED)
    return lack.deficiency(sizes=limits.rsa_sizes(profile), curves=limits.curves(profile))


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
    blocked = () if record.blocked is None else (_BLOCKED[record.blocked],)
    of_another = record.business_id is not None and business_id is not None and record.business_id != business_id
    return (*blocked, "key-of-another-organisation") if of_another else blocked
