"""Reads events of old versions.

A superseded version keeps its model, JSON Schema and stored examples. A record is validated by the model of its own
version, then converted step by step to the newest. The rest of the code knows only the newest.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .event import EventData

Upcasters = Mapping[type[EventData], Callable[[Any], EventData]]
"""The function that converts a superseded version to the next one, by the superseded model."""

UPCASTERS: Upcasters = MappingProxyType({})
"""The superseded versions that this package reads: none yet."""


def upcast(data: EventData, upcasters: Upcasters) -> EventData:
    """Return the event in its newest version."""
    while (to_next := upcasters.get(type(data))) is not None:
        data = to_next(data)
    return data
