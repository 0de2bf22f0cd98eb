"""The verdict on a partition's lag, over a window of samples."""

from __future__ import annotations

import pytest
from servicecert_cli.admin.domain.lag_verdicts import Sample, Verdict, verdict


def samples(*positions: tuple[int, int], assigned: bool = True) -> list[Sample]:
    return [Sample(offset, end, assigned) for offset, end in positions]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ([], Verdict.OK),
        (samples((0, 9)), Verdict.OK),
        (samples((9, 9), (9, 12), (9, 20)), Verdict.OK),
        (samples((0, 9), (9, 9), (9, 12)), Verdict.OK),
        (samples((0, 9), (5, 15), (10, 22)), Verdict.BEHIND),
        (samples((0, 9), (5, 10), (10, 20)), Verdict.OK),
        (samples((0, 9), (5, 14), (10, 19)), Verdict.OK),
        (samples((3, 9), (3, 9), (3, 9)), Verdict.STALLED),
        (samples((3, 9), (3, 12), (3, 20)), Verdict.STALLED),
        (samples((3, 9), (3, 12), (3, 20), assigned=False), Verdict.STOPPED),
        ([*samples((3, 9)), *samples((3, 12), assigned=False)], Verdict.STOPPED),
    ],
)
def test_a_window_has_a_verdict(window: list[Sample], expected: Verdict) -> None:
    assert verdict(window) is expected
