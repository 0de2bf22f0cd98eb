"""What is known of the key of a request beyond the request itself: whose it is, and whether it is lost (A4)."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Blocked(StrEnum):
    """Why a key is never certified again: its private half is known to others, or can be computed from another key."""

    COMPROMISED = "compromised"
    SHARED_PRIME = "shared-prime"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is recorded of a key: the business id of the organisation that it was accepted for first, and why it is blocked."""

    business_id: str | None = None
    blocked: Blocked | None = None


CODES = MappingProxyType({Blocked.COMPROMISED: "key-compromised", Blocked.SHARED_PRIME: "key-shared-prime"})
OF_ANOTHER = "key-of-another-organisation"


def key_faults(record: KeyRecord | None, business_id: str | None) -> tuple[str, ...]:
    """The codes of what forbids to certify a key for an organisation, by its business id where that is known.

    A key belongs to the organisation for which it was accepted first, whether its certificate came to be or not.
    """
    if record is None:
        return ()
    blocked = () if record.blocked is None else (CODES[record.blocked],)
    of_another = record.business_id is not None and business_id is not None and record.business_id != business_id
    return (*blocked, OF_ANOTHER) if of_another else blocked
