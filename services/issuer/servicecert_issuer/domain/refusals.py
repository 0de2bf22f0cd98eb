"""Why an accepted application cannot be issued, in words for the applicant: `texts/` has them in each language."""

from dataclasses import dataclass
from types import MappingProxyType

from servicecert_schemas.values import Texts
from servicecert_worker.decider import Facts
from servicecert_worker.texts import read_texts


@dataclass(frozen=True, slots=True)
class Unissuable(Facts):
    """A stable code and what to do."""

    code: str
    texts: Texts


_BY_CODE = MappingProxyType(
    {"common-name-missing": "names", "ip-address-form": "names"}
    | {
        code: code
        for code in (
            "key",
            "names",
            "usage",
            "validity",
            "withdrawn",
            "voided",
            "stopped",
            "key-of-another-organisation",
            "key-compromised",
        )
    }
)
_BY_PREFIX = MappingProxyType(
    {"text-": "subject", "printable-": "subject", "business-id-": "subject", "dns-name-": "names"}
)
_NO_APPLICANT_CAN_MEND = "authority"
_TEXTS = read_texts(__package__, "refusals", sorted({*_BY_CODE.values(), *_BY_PREFIX.values(), _NO_APPLICANT_CAN_MEND}))


def unissuable(code: str) -> Unissuable:
    """Return the refusal with this code. One that no applicant can mend is laid at the authority's door."""
    by_prefix = (key for prefix, key in _BY_PREFIX.items() if code.startswith(prefix))
    return Unissuable(code, _TEXTS[_BY_CODE.get(code) or next(by_prefix, _NO_APPLICANT_CAN_MEND)])


WITHDRAWN = unissuable("withdrawn")
"""The applicant withdrew in time (A15)."""

VOIDED = unissuable("voided")
"""What was intended is not signed any more (B2)."""

STOPPED = unissuable("stopped")
"""The certificate did not pass the checks; this is not the end of the case (B3)."""

KEY_OF_ANOTHER = unissuable("key-of-another-organisation")
"""Two organisations applied with one key, and the other's was intended first (A4)."""

KEY_COMPROMISED = unissuable("key-compromised")
"""The key is blocked for ever (D6)."""
