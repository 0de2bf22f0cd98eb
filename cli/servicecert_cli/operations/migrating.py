"""Migrating the services' schemas."""

import importlib
from collections.abc import Sequence

from servicecert_worker.storage import schema


def migrate(url: str, services: Sequence[str]) -> list[str]:
    """Migrate these services' schemas with the migrator's URL, and return those that are of a newer version, and stay.

    Raises OperatorError.
    """
    return [
        service
        for service in services
        if not schema.migrate(url, service, [importlib.import_module(f"servicecert_{service}.service").MIGRATIONS])
    ]
