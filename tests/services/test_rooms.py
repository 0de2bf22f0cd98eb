"""Who knows one service knows all: they have the same rooms."""

from pathlib import Path

import pytest
from servicecert_schemas.topics import SERVICES

SERVICES_FOLDER = Path(__file__).parents[2] / "services"
FILES = {"app.py", "service.py", "settings.py"}
ROOMS = {"domain", "effects", "storage", "operator"}
PARTS = {"intake": set(), "issuer": set(), "revoker": {"crl", "ocsp", "proposals"}, "notifier": {"mail", "smtp"}}
"""The subjects that have rooms of their own inside a service."""


def inside(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()} - {"__init__.py", "__pycache__", "py.typed"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_exactly_the_rooms_that_all_have(service: str) -> None:
    folder = SERVICES_FOLDER / service / f"servicecert_{service}"
    assert inside(folder) == FILES | ROOMS | PARTS[service]
    assert {"queries.sql", "migrations"} <= inside(folder / "storage")
    assert "decide.py" in inside(folder / "domain")


@pytest.mark.parametrize(("service", "part"), [(service, part) for service in SERVICES for part in PARTS[service]])
def test_a_part_of_a_service_has_rooms_of_the_same_names(service: str, part: str) -> None:
    found = inside(SERVICES_FOLDER / service / f"servicecert_{service}" / part)
    assert found <= FILES | ROOMS
    assert "domain" in found
