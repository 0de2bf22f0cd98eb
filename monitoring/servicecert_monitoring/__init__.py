"""Grafana's dashboards as code: `python -m servicecert_monitoring` writes deploy/grafana/dashboards/*.json."""

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
