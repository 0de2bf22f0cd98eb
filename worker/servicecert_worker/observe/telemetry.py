"""Traces by OpenTelemetry: off unless the standard environment variables switch them on, and then loaded (`otlp`)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.decider import Outcome, Task
from ..core.faults import error_summary
from ..core.fold import Item, TurnResult
from ..core.traces import is_sampled

log = logging.getLogger(__name__)


class Telemetry:
    """What a worker reports as spans: here nothing. Times are in ns since 1970; every method returns at once."""

    def sampler(self, given: str | None, _trace: str) -> bool:
        return is_sampled(given)

    def handled(self, result: TurnResult, items: Sequence[Item], began: int) -> None:
        """Report the items of a committed turn, whose records were taken at `began`. Raise nothing."""

    def acted(self, kind: str, tasks: Sequence[Task], outcomes: Sequence[Outcome], began: int) -> None:
        """Report attempts at intents of a kind. Raise nothing."""

    def sent(self, rows: Sequence[Any], places: Sequence[tuple[int, int]], read: int) -> None:
        """Report events of the outbox, read at `read`, that the broker has acknowledged at partitions and offsets."""

    async def close(self) -> None:
        """Export what is left, within a second."""


def is_on(environment: Mapping[str, str]) -> bool:
    """Return whether OTEL_TRACES_EXPORTER=otlp or an endpoint is set, and nothing switches traces off.

    Empty counts as unset, and an unknown value is ignored with a warning, as OpenTelemetry's specification says.
    """
    given = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_") and value.strip()}
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporters = {name.strip().lower() for name in given.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()}
    if unknown := exporters - {"otlp", "none"}:
        log.warning("OTEL_TRACES_EXPORTER is otlp or none; others are ignored", extra={"ignored": sorted(unknown)})
    if known := exporters & {"otlp", "none"}:
        return "otlp" in known
    return "OTEL_EXPORTER_OTLP_ENDPOINT" in given or "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in given


def open_telemetry(
    environment: Mapping[str, str], service: str, group: str, prefix: str, dropped: Callable[[int], object]
) -> Telemetry:
    """Return what reports a worker's spans. `dropped` gets the number of spans that were not exported.

    Wrong settings end in a warning and no traces: no service stops because of them.
    """
    if not is_on(environment):
        return Telemetry()
    try:
        from .otlp import OtlpTelemetry

        return OtlpTelemetry(environment, service, group, prefix, dropped)
    except Exception as error:
        log.warning("Traces stay off: correct the OTEL_ variables", extra={"error": error_summary(error)})
        return Telemetry()
