"""Prometheus' rules for alerts, made from the catalogue of conditions."""

import json
from itertools import groupby
from pathlib import Path

from servicecert_cli.watching.conditions import CONDITIONS, Condition

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
_HEAD = """\
# Made from the catalogue of conditions (servicecert_cli/watching/conditions) by `make format`: change it there.
# `within` is how soon after its cause an alert fires, with a scrape each 15 s. What follows from Kafka or PostgreSQL
# being away is silent meanwhile, and for two minutes after. `runbook_url` begins with the external label `runbook` of
# prometheus.yml.
groups:
"""
_RULE = """\
      - alert: {name}
        expr: |-
          {expr}
{wait}        labels: {{severity: {severity}}}
        annotations:
          summary: {summary}
          within: {within}
          runbook_url: "{{{{ $externalLabels.runbook }}}}/{page}"
"""


def alert_rules() -> str:
    """Return the file of rules, a group for each subject."""
    alerts = [each for each in CONDITIONS.values() if each.when]
    groups = [
        f"  - name: servicecert-{subject.name.lower()}\n    rules:\n" + "".join(map(_rule, each))
        for subject, each in groupby(alerts, key=lambda condition: condition.subject)
    ]
    return _HEAD + "".join(groups)


def _rule(condition: Condition) -> str:
    # A string of JSON is one of YAML.
    return _RULE.format(
        name=condition.name,
        expr=condition.rule,
        wait=f"        for: {condition.wait}\n" if condition.wait else "",
        severity=condition.severity,
        summary=json.dumps(condition.summary, ensure_ascii=False),
        within=condition.within,
        page=condition.page,
    )
