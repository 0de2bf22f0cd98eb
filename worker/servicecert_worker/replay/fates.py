"""What became of records, as far as a service's events tell: handled, or parked and perhaps released later. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from servicecert_schemas.operators import RecordParked

from ..core.published import PublishedEvent, PublishedEvents
from ..runtime.parking import notice_id


class Fates:
    """The fates of records, by their ids. It notes how often each was parked so far.

    `announced` are the kinds of intents that are announced.
    """

    def __init__(self, published: PublishedEvents, announced: Sequence[str]) -> None:
        self._published = published
        self._announced = announced
        self._attempts: dict[UUID, int] = {}
        self._released: set[UUID] = set()

    def first_copies(self, known: Iterable[UUID]) -> Callable[[UUID], datetime | None]:
        """Return what returns when a record was handled or parked first: of a copy, nothing tells.

        It is called once for each record, in their order; `known` are those that came before.
        """
        seen = set(known)

        def handled_at(id: UUID) -> datetime | None:
            if id in seen:
                return None
            seen.add(id)
            return self._next_at(id)

        return handled_at

    def released_at(self, id: UUID, attempts: int) -> datetime | None:
        """Return when a record that was parked so many times was handled or parked again, once for each time."""
        self._attempts[id] = attempts
        mark = id if self._notice(id) is None else notice_id(id, attempts + 1)
        if mark in self._released or (at := self._next_at(id)) is None:
            return None
        self._released.add(mark)
        return at

    def culprit(self, id: UUID) -> RecordParked | None:
        """Return the event that says why a record was parked the next time, if it was, and for its own sake."""
        notice = self._notice(id)
        data = None if notice is None else notice.data
        return data if isinstance(data, RecordParked) and data.culprit else None

    def _next_at(self, id: UUID) -> datetime | None:
        notice = self._notice(id)
        return self._published.decided_at(id, self._announced) if notice is None else notice.time

    def _notice(self, id: UUID) -> PublishedEvent | None:
        return self._published.get(notice_id(id, self._attempts.get(id, 0) + 1))
