"""Faults of the certificate request and its key (A4)."""

from types import MappingProxyType

from ..registers.snapshot import Unit
from .application import Application, Blocked, KeyRecord
from .deficiencies import CSR_FAULTS, CSR_REFUSED, Deficiencies

_BLOCKED = MappingProxyType({Blocked.COMPROMISED: "key-compromised", Blocked.SHARED_PRIME: "key-shared-prime"})


def request(application: Application, organisation: Unit | None) -> Deficiencies:
    """Return every fault of the request, if any, and of its key. A fault without its own text gets a general one."""
    if application.csr is None:
        return ()
    recorded = key_faults(application.key, None if organisation is None else organisation.business_id)
    return tuple(CSR_FAULTS.get(code, CSR_REFUSED).deficiency() for code in (*application.csr.faults, *recorded))


def key_faults(record: KeyRecord | None, business_id: str | None) -> tuple[str, ...]:
    """Return the codes of the reasons not to certify a key for an organisation.

    A key belongs to the organisation that it was first accepted for, even if no certificate was issued.
    """
    if record is None:
        return ()
    blocked = () if record.blocked is None else (_BLOCKED[record.blocked],)
    of_another = record.business_id is not None and business_id is not None and record.business_id != business_id
    return (*blocked, "key-of-another-organisation") if of_another else blocked
