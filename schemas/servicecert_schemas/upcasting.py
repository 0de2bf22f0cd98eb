"""Reads events of old versions, and writes the version that every reader knows.

A superseded version keeps its model, JSON Schema and stored examples. A record is validated by the model of its own
version, then converted step by step to the newest. The rest of the code knows only the newest.

A new version is read one release before it is written, so that no worker of the release before meets it: until then
WRITTEN_AS converts it back.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .case import NEXT_ACTORS, CaseChanged, CaseChangedV1, NextActor
from .event import EventData
from .open_list import value_of

Upcasters = Mapping[type[EventData], Callable[[Any], EventData]]
"""The function that converts a superseded version to the next one, by the superseded model."""


def to_case_changed_v2(view: CaseChangedV1) -> CaseChanged:
    """Return the view with who acts next in its state. A state that this version does not know is the authority's."""
    acts_next = value_of(NEXT_ACTORS, view.state, NextActor.AUTHORITY)
    return CaseChanged.model_construct(**dict(view), acts_next=acts_next)


UPCASTERS: Upcasters = MappingProxyType({CaseChangedV1: to_case_changed_v2})
"""The superseded versions that this package reads."""

WRITTEN_AS: Upcasters = MappingProxyType({})
"""The function that converts the newest version to the one that is still written, by the newest model: none now."""


def upcast(data: EventData, upcasters: Upcasters) -> EventData:
    """Return the event in its newest version."""
    while (to_next := upcasters.get(type(data))) is not None:
        data = to_next(data)
    return data


def as_written(data: EventData) -> EventData:
    before = WRITTEN_AS.get(type(data))
    return data if before is None else before(data)
