"""The stages of a run, in their order, and what comes of each.

NotYet      a stage has not found what it waits for: it looks again until its time is over
Stuck       what a stage has found does not become right by waiting
"""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """A stage of a run, as metrics and logs name it."""

    ACCOUNT = "account"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    ISSUED = "issued"
    MAILED = "mailed"
    OCSP_GOOD = "ocsp-good"
    CRL_CLEAR = "crl-clear"
    REVOCATION_REQUESTED = "revocation-requested"
    REVOKED = "revoked"
    CRL_LISTED = "crl-listed"
    OCSP_REVOKED = "ocsp-revoked"
    REVOCATION_MAILED = "revocation-mailed"


class NotYet(Exception):
    """The message is one sentence that says what is missing, and where to look."""


class Stuck(Exception):
    """The message is one sentence that says what is wrong, and what to do. `stage` is None for that of the run."""

    def __init__(self, sentence: str, stage: Stage | None = None) -> None:
        super().__init__(sentence)
        self.stage = stage


def require(condition: object, sentence: str) -> None:
    if not condition:
        raise Stuck(sentence)


@dataclass(frozen=True, slots=True)
class Step:
    """A stage that a run has passed, or at which it stopped: after how many seconds, and a sentence."""

    stage: Stage
    seconds: float
    sentence: str
    passed: bool = True

    def line(self) -> str:
        return f"{self.stage}: {'' if self.passed else 'FAILED: '}{self.sentence} ({self.seconds:.1f} s)"
