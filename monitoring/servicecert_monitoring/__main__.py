"""Writes the JSON of Grafana's dashboards, and Prometheus' alerts, as `make format` does."""

from . import DASHBOARDS, grafana
from .alert_rules import ALERTS, alert_rules

for path, content in {**grafana.files(DASHBOARDS), ALERTS: alert_rules()}.items():
    path.write_text(content, encoding="utf-8")
