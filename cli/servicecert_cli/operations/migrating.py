"""Migrating the services' schemas."""

import importlib
from collections.abc import Sequence

from servicecert_worker.storage import database


def migrate(url: str, services: Sequence[str]) -> None:
    """Migrate these services' schemas with the migrator's URL. Raises OperatorError."""
    for service in services:
        database.migrate(url, service, [importlib.import_module(f"servicecert_{service}.service").MIGRATIONS])
