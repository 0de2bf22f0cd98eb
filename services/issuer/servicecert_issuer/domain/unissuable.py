"""Why an accepted application cannot be issued, with texts for the applicant (`texts/`)."""

from dataclasses import dataclass
from types import MappingProxyType

from servicecert_schemas.values import Texts
from servicecert_worker.core.decider import Facts
from servicecert_worker.core.texts import read_texts


@dataclass(frozen=True, slots=True)
class Unissuable(Facts):
    """A stable code, and a text with what to do."""

    code: str
    texts: Texts


_BY_CODE = MappingProxyType(
    {"common-name-missing": "names", "ip-address-form": "names", "stopped-request": "stopped"}
    | {
        code: code
        for code in (
            *("key", "names", "usage", "validity", "withdrawn", "voided", "stopped"),
            *("key-of-another-organisation", "key-compromised"),
        )
    }
)
_BY_PREFIX = MappingProxyType({"text-": "subject", "business-id-": "subject", "dns-name-": "names"})
_FAULT_OF_AUTHORITY = "authority"
_TEXTS = read_texts(__package__, "refusals", sorted({*_BY_CODE.values(), *_BY_PREFIX.values(), _FAULT_OF_AUTHORITY}))


def unissuable(code: str) -> Unissuable:
    """Return the refusal with this code. Faults that no applicant can correct get the authority's text."""
    return Unissuable(code, _TEXTS[_text_of(code)])


def is_fault_of_authority(code: str) -> bool:
    return _text_of(code) == _FAULT_OF_AUTHORITY


def _text_of(code: str) -> str:
    by_prefix = (key for prefix, key in _BY_PREFIX.items() if code.startswith(prefix))
    return _BY_CODE.get(code) or next(by_prefix, _FAULT_OF_AUTHORITY)


WITHDRAWN = unissuable("withdrawn")
"""The applicant withdrew in time (A15)."""

VOIDED = unissuable("voided")
"""The intent is void (B2)."""

STOPPED = unissuable("stopped")
"""The draft has findings; the case does not end with it (B3)."""

STOPPED_REQUEST = unissuable("stopped-request")
"""Intake accepted a certificate request that the issuer finds invalid; the case does not end with it (F2)."""

KEY_OF_ANOTHER = unissuable("key-of-another-organisation")
"""The key was intended for another organisation first (A4)."""

KEY_COMPROMISED = unissuable("key-compromised")
"""The key is blocked for ever (D6)."""
