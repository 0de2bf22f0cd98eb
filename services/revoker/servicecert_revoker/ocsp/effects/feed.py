"""The two topics that a responder answers from. They must not be deleted and created again while it runs."""

from collections.abc import Mapping
from datetime import UTC, datetime

from servicecert_schemas.topics import CERTIFICATE_STANDINGS, OCSP_RESPONDERS
from servicecert_worker.core.faults import OperatorError

TOPICS = (CERTIFICATE_STANDINGS, OCSP_RESPONDERS)


class SameTopics:
    """Remembers the ids of topics: one that was created again lacks records, and certificates would become unknown."""

    def __init__(self) -> None:
        self._origins: Mapping[str, str] = {}

    async def __call__(self, ids: Mapping[str, str]) -> None:
        """Raise `OperatorError` if a topic has another id than before."""
        before = self._origins or ids
        if changed := [name for name in sorted(before) if ids.get(name) != before[name]]:
            raise OperatorError(
                f"Topic {', '.join(changed)} was recreated; records may be missing: "
                "run `servicecert republish revoker --yes`, then start the responder again.",
                exit_code=65,
            )
        self._origins = ids


def age(moment: datetime | None, now: datetime) -> float:
    """Return the seconds since the topics were last caught up; infinity if they never were."""
    return float("inf") if moment is None else max(0.0, (now - moment.astimezone(UTC)).total_seconds())
