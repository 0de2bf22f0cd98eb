"""What happened in a soak and which alerts fired, one against the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alarms.prometheus import Series

from soak.watching import Stretch


@dataclass(frozen=True, slots=True)
class Happening:
    """A fault, an outage or a rollout, from its beginning until the system was well again.

    `alert` must fire, `consequences` may.
    """

    name: str
    stretch: Stretch
    alert: str | None = None
    consequences: frozenset[str] = frozenset()

    def explains(self, firing: Firing) -> bool:
        """Return whether it says why an alert fires."""
        return firing.alert in {self.alert, *self.consequences} and self.stretch.touches(firing.stretch)


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fired, from its first to its last moment."""

    alert: str
    stretch: Stretch


def firings(series: Iterable[Series], step: float) -> Iterator[Firing]:
    """Yield each time that an alert fired; `series` are those of ALERTS, with a sample each `step` seconds."""
    for each in series:
        began = ended = None
        for at, _ in each.samples:
            if began is None or ended is None:
                began = at
            elif at - ended > 1.5 * step:
                yield Firing(each.labels["alertname"], Stretch(began, ended))
                began = at
            ended = at
        if began is not None and ended is not None:
            yield Firing(each.labels["alertname"], Stretch(began, ended))


def unexplained(fired: Iterable[Firing], happenings: Sequence[Happening]) -> list[Firing]:
    """Return the alerts that fired and that nothing which happened explains."""
    return [each for each in fired if not any(happening.explains(each) for happening in happenings)]


def silent(fired: Iterable[Firing], happenings: Iterable[Happening]) -> list[Happening]:
    """Return what should have let its alert fire, and did not."""
    all_fired = list(fired)
    return [
        each
        for each in happenings
        if each.alert is not None
        and not any(firing.alert == each.alert and each.stretch.touches(firing.stretch) for firing in all_fired)
    ]


def meanwhile(stretch: Stretch, happenings: Iterable[Happening]) -> list[str]:
    """Return the names of what happened during a stretch of time, each once."""
    return list(dict.fromkeys(each.name for each in happenings if each.stretch.touches(stretch)))
