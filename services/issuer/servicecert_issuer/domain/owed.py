"""What a case owes to the topic of certificates: how its issuing ended, or that it is stopped. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from servicecert_worker.core.owed import Owed

from .events import issued, refused, stopping, voided
from .issuance import Recorded, Refused, Signed, State, Stopped, Voided
from .unissuable import VOIDED, unissuable


def owed(case_id: UUID, state: State, at: datetime, chains: Mapping[str, Sequence[bytes]]) -> Iterator[Owed]:
    """Yield the events of a case, which ended, or was stopped, at a moment.

    `chains` are the certificates of each CA and its root. An intent owes nothing: it will end.
    """
    match state:
        case Recorded(intended=intended, certificate=certificate):
            signed = Signed.read(certificate, tuple(chains[intended.linted.issuer]))
            yield Owed(issued(case_id, intended, signed), at)
        case Voided():
            yield Owed(voided(case_id, state), at)
            yield Owed(refused(case_id, VOIDED), at)
        case Refused(code=code):
            yield Owed(refused(case_id, unissuable(code)), at)
        case Stopped():
            yield Owed(stopping(state), at)
