"""The applications that intake has signed, verified in the act that a CA's key is used for (F2, F3)."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.codec import Headers, decode
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.core.record import Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.core.signed_record import SignedRecord

log = logging.getLogger(__name__)

_TOPIC = ACCEPTED_APPLICATIONS.name
_FEW = 4


@dataclass(frozen=True)
class AcceptedApplications:
    """Verifies what is kept of cases' applications with the pinned keys. `read_topic` hands over the topic's records.

    The topic is read where 1.1.0 has kept nothing, and where the key that signed is not pinned any more:
    then intake has published the application again, signed with its new one.
    """

    verifier: Verifier
    read_topic: Callable[[Callable[[Record], None]], Awaitable[None]]

    async def __call__(self, kept: Mapping[str, SignedRecord | None]) -> Mapping[str, ApplicationAccepted]:
        """Return the applications by case, without those that nothing proves. Raise what `read_topic` raises."""
        proven = self._proven(kept) if len(kept) <= _FEW else await asyncio.to_thread(self._proven, kept)
        if missing := {key.encode(): key for key in kept.keys() - proven.keys()}:

            def take(record: Record) -> None:
                case = missing.get(record.key or b"")
                if case is not None and (it := self._application(case, record.headers, record.value)) is not None:
                    proven[case] = it

            await self.read_topic(take)
        return proven

    def _proven(self, kept: Mapping[str, SignedRecord | None]) -> dict[str, ApplicationAccepted]:
        return {
            key: application
            for key, record in kept.items()
            if record is not None and (application := self._application(key, *record.parts())) is not None
        }

    def _application(self, case: str, headers: Headers, value: bytes | None) -> ApplicationAccepted | None:
        """Return what intake has signed as accepted for a case; the signature is over the case's id too."""
        key = case.encode()
        try:
            if not self.verifier.is_from("intake", _TOPIC, key, headers, value):
                return None
            _, data = decode(_TOPIC, key, headers, value)
        except ValueError:
            return None
        return data if isinstance(data, ApplicationAccepted) else None


class RequestAlarm:
    """Logs each application whose request intake should not have accepted, and counts the findings (F2).

    Intake is faulty, older than the issuer, or compromised.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, application: ApplicationAccepted, findings: Sequence[str]) -> None:
        self.counts.update(findings)
        log.error(
            "alarm: intake accepted an invalid certificate request: nothing is signed; check intake and its key",
            extra={"key": application.key(), "findings": " ".join(findings)},
        )
