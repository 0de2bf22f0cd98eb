"""Grafana's dashboards as code, and their pictures without Grafana.

    python -m servicecert_monitoring --json    # writes deploy/grafana/dashboards/*.json, as `make format` does
    python -m servicecert_monitoring           # the same; then runs a system with some load, and draws every panel

`make dashboards` draws too. The values of `panel` are the one definition: `grafana` makes the JSON of them, `drawing`
the pictures.
"""

from . import authority, lag, mail, overview, service
from .panel import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.DASHBOARD,
    service.DASHBOARD,
    lag.DASHBOARD,
    authority.DASHBOARD,
    mail.DASHBOARD,
)

__all__ = ["DASHBOARDS"]
