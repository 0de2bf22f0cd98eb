"""The metrics that the pages may name: those of the reference, and those that are recorded from them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml
from docs.pages import CHECKOUT

from docs import pages

PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
_NAME = re.compile(r"\b(?:servicecert|kafka|process)[_:][a-z0-9_:]+\b")


def rules(file: str) -> list[dict[str, Any]]:
    """Return the rules of a file of Prometheus."""
    return [rule for group in yaml.safe_load((PROMETHEUS / file).read_text())["groups"] for rule in group["rules"]]


def names_in(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression names, without those of Prometheus itself."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', "", expression)))


def is_metric(name: str) -> bool:
    """Return whether a process shows it, or a rule records it."""
    return name in _known()


@cache
def _known() -> frozenset[str]:
    recorded = {rule["record"] for rule in rules("recording.yml")}
    rows = pages.rows(pages.METRICS, "metrics")
    shown = {row[0].strip("`") for row in rows}
    histograms = {row[0].strip("`") for row in rows if row[1] == "histogram"}
    return frozenset(
        shown | recorded | {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}
    )
