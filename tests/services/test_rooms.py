"""All services have the same folders and files."""

from pathlib import Path

import pytest
from servicecert_schemas.topics import SERVICES

SERVICES_FOLDER = Path(__file__).parents[2] / "services"
FILES = {"app.py", "service.py", "settings.py"}
FOLDERS = {"domain", "effects", "storage", "operator"}
PARTS = {"intake": set(), "issuer": set(), "revoker": {"ocsp"}, "notifier": {"mail", "smtp"}}
"""Parts of a service that stand alone, with such folders of their own."""
ROOMS = {"revoker": {"crl", "serving"}}


def inside(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()} - {"__init__.py", "__pycache__", "py.typed"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_folders(service: str) -> None:
    folder = SERVICES_FOLDER / service / f"servicecert_{service}"
    assert inside(folder) == FILES | FOLDERS | PARTS[service] | ROOMS.get(service, set())
    assert {"queries.sql", "migrations"} <= inside(folder / "storage")
    assert "decide.py" in inside(folder / "domain")


@pytest.mark.parametrize(("service", "part"), [(service, part) for service in SERVICES for part in PARTS[service]])
def test_parts_of_a_service_use_the_same_folder_names(service: str, part: str) -> None:
    folders = inside(SERVICES_FOLDER / service / f"servicecert_{service}" / part)
    assert folders <= FILES | FOLDERS
    assert "domain" in folders
