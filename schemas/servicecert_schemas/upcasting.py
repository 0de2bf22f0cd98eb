"""How events of old versions are read for ever.

A version that is superseded keeps its model, its JSON Schema and its stored examples. A record of it is validated by its own model, so that a
fault is named in its own words, and then made into the next version, step by step, up to the newest: all else knows the newest only.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .event import EventData

Upcasters = Mapping[type[EventData], Callable[[Any], EventData]]
"""From the model of a superseded version to the function that makes the next version's data of it."""

UPCASTERS: Upcasters = MappingProxyType({})
"""Every superseded version that this package reads: none yet, since all are in their first."""


def upcast(data: EventData, upcasters: Upcasters) -> EventData:
    """The same event in its newest version."""
    while (to_next := upcasters.get(type(data))) is not None:
        data = to_next(data)
    return data
