"""What the catalogue of conditions says of itself."""

import re
from string import Formatter

import pytest
from docs.pages import CHECKOUT
from servicecert_cli.watching.conditions import CONDITIONS, Condition, Severity, Subject


def of(when: str, **others: str) -> Condition:
    return Condition(
        Subject.BACKLOG, Severity.WARNING, "Late", "{service}: {value:period} of {value:share}.", when=when, **others
    )


@pytest.mark.parametrize(
    ("when", "limit", "below", "wrong", "well"),
    [
        ("age > 60", 60, False, (61, 600), (0, 60)),
        ("left < -7200", -7200, True, (-7201,), (-7200, 0)),
        ("600 < max(age) <= 43200", 600, False, (601, 43_200), (600, 43_201)),
        ('0 <= min(left{clock="a"}) < 86400', 86_400, True, (0, 86_399), (-1, 86_400)),
        ("max by (topic) (fill) > 0.8", 0.8, False, (0.81,), (0.8,)),
    ],
)
def test_a_limit_has_two_sides(when, limit, below, wrong, well):
    condition = of(when)
    assert (condition.limit, condition.below) == (limit, below)
    assert [condition.is_wrong(value) for value in wrong] == [True] * len(wrong)
    assert [condition.is_wrong(value) for value in well] == [False] * len(well)


def test_what_compares_nothing_has_no_limit():
    with pytest.raises(ValueError, match="Late compares nothing"):
        _ = of("up == 1").limit


def test_prometheus_gets_the_words_as_a_template():
    condition = of("age > 60", expr="($when) unless other > $limit", within="1m")
    assert condition.rule == "(age > 60) unless other > 60"
    assert (
        condition.summary
        == "{{ $labels.service }}: {{ $value | humanizeDuration }} of {{ $value | humanizePercentage }}."
    )
    assert (condition.page, of("").page) == ("backlog.md#late", None)


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=lambda condition: condition.name)
def test_a_condition_says_what_is_wrong_in_a_sentence(condition):
    assert CONDITIONS[condition.name] is condition
    assert condition.says.endswith(".")
    assert all(spec in ("", "period", "share") for _, name, spec, _ in Formatter().parse(condition.says) if name)
    # An alert has one severity; what only a look sees says why it matters.
    assert condition.severity in (Severity.WARNING, Severity.CRITICAL) if condition.when else condition.why
    assert all((CHECKOUT / page).is_file() for page in re.findall(r"docs/[\w/-]+\.md", condition.remedy))
