"""What is wrong with the certificate request and its key (A4)."""

from types import MappingProxyType

from ..registers.snapshot import Unit
from .application import Application, Blocked, KeyRecord
from .deficiencies import CSR_FAULTS, CSR_REFUSED, Deficiencies

_BLOCKED = MappingProxyType({Blocked.COMPROMISED: "key-compromised", Blocked.SHARED_PRIME: "key-shared-prime"})


def request(application: Application, organisation: Unit | None) -> Deficiencies:
    """Every fault of the request and of its key, if one came. A fault that this version has no words for is told in general ones."""
    if application.csr is None:
        return ()
    recorded = key_faults(application.key, None if organisation is None else organisation.business_id)
    return tuple(CSR_FAULTS.get(code, CSR_REFUSED).deficiency() for code in (*application.csr.faults, *recorded))


def key_faults(record: KeyRecord | None, business_id: str | None) -> tuple[str, ...]:
    """The codes of what forbids to certify a key for an organisation, by its business id where that is known.

    A key belongs to the organisation for which it was accepted first, whether its certificate came to be or not.
    """
    if record is None:
        return ()
    blocked = () if record.blocked is None else (_BLOCKED[record.blocked],)
    of_another = record.business_id is not None and business_id is not None and record.business_id != business_id
    return (*blocked, "key-of-another-organisation") if of_another else blocked
