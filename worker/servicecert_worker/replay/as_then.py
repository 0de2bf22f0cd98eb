"""Decides what a service decided then: with the facts of then, and parking what was parked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from servicecert_schemas.event import EventData

from ..core.decider import Decision, Event, Happened, Service, Transient, Unanswerable
from ..core.published import PublishedEvents, event_id
from .fates import Fates
from .untold import Untold

S = TypeVar("S")
K = TypeVar("K")


class TooEarly(Transient):
    """A record is decided before the moment at which it was decided."""

    def __init__(self, id: UUID) -> None:
        super().__init__(str(id))
        self.id = id


class AsThen(Generic[S, K]):
    """The examining and deciding of a service in a replay."""

    def __init__(self, service: Service[S, K], published: PublishedEvents, fates: Fates, untold: Untold) -> None:
        self._service = service
        self._published = published
        self._fates = fates
        self._untold = untold
        self._recalled: set[UUID] = set()

    def are_recalled(self, ids: Iterable[UUID]) -> bool:
        """Return whether any of the events has facts of then, which are what they are."""
        return not self._recalled.isdisjoint(ids)

    def examine(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events with the facts of then, the others examined now."""
        recalled = [replace(event, facts=self._service.recall.facts(event, self._published)) for event in events]
        self._recalled.update(event.id for event in recalled if event.facts is not None)
        if self._service.rules.examine is None:
            return recalled
        others = iter(self._service.rules.examine([event for event in recalled if event.facts is None]))
        return [next(others) if event.facts is None else event for event in recalled]

    def decide(self, state: S | None, happened: Happened, known: K, now: datetime) -> Decision[S]:
        """Decide as the service does, but park what was parked then, whatever the service would decide today.

        Raises TooEarly.
        """
        if isinstance(happened, Event) and (parked := self._fates.culprit(happened.id)) is not None:
            raise Unanswerable(parked.reason, parked.error)
        decision = self._service.rules.decide(state, happened, known, now)
        if isinstance(happened, Event) and self._is_too_early(happened.id, decision.events, now):
            raise TooEarly(happened.id)
        return decision

    def _is_too_early(self, id: UUID, events: Sequence[EventData], now: datetime) -> bool:
        """Return whether a record of which nothing tells would lead to other events than the topics have."""
        if not events or not self._untold.may_be_later(id, now):
            return False
        ids = (event_id(id, data.TYPE, place) for place, data in enumerate(events))
        return not any(self._published.is_superfluous(each, data, now) for each, data in zip(ids, events, strict=True))
