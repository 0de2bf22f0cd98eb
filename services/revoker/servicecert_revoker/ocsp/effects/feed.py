"""What a responder answers from: two topics, which have to be the same ones for as long as it runs."""

from collections.abc import Mapping
from datetime import UTC, datetime

from servicecert_schemas.topics import CERTIFICATE_STANDINGS, OCSP_RESPONDERS
from servicecert_worker.faults import OperatorError

TOPICS = (CERTIFICATE_STANDINGS, OCSP_RESPONDERS)


class SameTopics:
    """Remembers the ids of topics: what one that was deleted and made again lacks would be answered as unknown."""

    def __init__(self) -> None:
        self._origins: Mapping[str, str] = {}

    async def __call__(self, found: Mapping[str, str]) -> None:
        """Raise `OperatorError` where a topic is not the one that was read from."""
        before = self._origins or found
        if changed := [name for name in sorted(before) if found.get(name) != before[name]]:
            raise OperatorError(
                f"Kafka is not the one that was read from: {', '.join(changed)} was deleted and made anew. Nothing is "
                "answered from what may not be all: fill it by `servicecert standings --yes`, then start the responder again.",
                exit_code=65,
            )
        self._origins = found


def age(moment: datetime | None, now: datetime) -> float:
    """Return the seconds since the feed was last read to its end; infinity where it never was."""
    return float("inf") if moment is None else max(0.0, (now - moment.astimezone(UTC)).total_seconds())
