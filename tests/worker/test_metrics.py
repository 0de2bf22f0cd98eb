"""A service's own metrics of a process."""

import pytest
from servicecert_worker.core.decider import Gauge
from servicecert_worker.runtime.metrics import Own


async def test_a_metric_that_cannot_be_read_has_no_samples_and_a_defect_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An outage is said where it begins; the other metrics are shown in any case."""

    async def unavailable() -> dict[str, float]:
        raise ConnectionError

    async def broken() -> dict[str, float]:
        raise KeyError("a secret")

    gauges = [Gauge("first", "", "kind", unavailable), Gauge("second", "", "kind", broken)]
    own = Own([*gauges, Gauge("third", "", "kind", {"a": 1.0})])
    await own.read()
    assert {each.name: len(each.samples) for each in own.collect()} == {"first": 0, "second": 0, "third": 1}
    assert [each.getMessage() for each in caplog.records] == ["A metric cannot be read: second"]
    assert "a secret" not in str(vars(caplog.records[0]))
