"""Writes the JSON of Grafana's dashboards, as `make format` does."""

from . import DASHBOARDS, grafana

for path, content in grafana.files(DASHBOARDS).items():
    path.write_text(content, encoding="utf-8")
