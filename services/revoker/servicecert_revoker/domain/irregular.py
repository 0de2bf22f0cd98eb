"""Events of certificates that are not as they must be (F2): each is an alarm, a second certificate is kept. Pure."""

from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict
from servicecert_worker.core.decider import Intent

from .certificates import Verified
from .status import Certificate

IRREGULAR = "irregular"
"""The act that logs the alarm, and stores a second certificate."""

_SECOND = UUID("3f4e0f3c-4f0a-4c57-a3a8-0d2f6f6f4b21")


class Irregular(BaseModel):
    """An event of a certificate that is not as it must be, by its `code`:

    `fields-differ`: it says other values than its certificate (`differ`);
    `second-certificate`: its case has another certificate, so this one (`second`) is stored beside it;
    `second-end`: its case has a certificate, and another serial number would be void;
    `certificate-of-another-case`: another case has this certificate;
    `stored-otherwise`: it is stored with other values, so not by a worker that read it.
    """

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("code", "issuer", "serial", "fingerprint", "differ")

    code: str
    issuer: str
    serial: str
    fingerprint: str | None = None
    differ: tuple[str, ...] = ()
    second: Certificate | None = None


class Noted(BaseModel):
    """The alarm was logged, and `second` stored. `compromised`: its key was, before that (D6)."""

    model_config = ConfigDict(frozen=True)

    second: Certificate | None = None
    compromised: bool = False


def alarm(code: str, verified: Verified, second: Certificate | None = None) -> Intent:
    """Return the intent of the alarm about a certificate."""
    irregular = Irregular(
        code=code,
        issuer=verified.issuer,
        serial=verified.serial,
        fingerprint=verified.fingerprint,
        differ=verified.differ,
        second=second,
    )
    return Intent(IRREGULAR, irregular)


def second_key(case: str, issuer: str, serial: str) -> UUID:
    """Return the key under which a second certificate of a case is stored; the same one has the same key."""
    return uuid5(_SECOND, f"{case}/{issuer}/{serial}")
