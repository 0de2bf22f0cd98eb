"""The package alone, as the e-service's developers install it."""

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pydantic
import pytest
import servicecert_schemas
from servicecert_schemas.codec import EVENTS

PROJECT = Path(servicecert_schemas.__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_pydantic_is_the_only_dependency(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Name"] == "servicecert-schemas"
    needed = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert [requirement.partition(">")[0] for requirement in needed] == ["pydantic"]


def test_the_wheel_holds_one_package_with_types_schemas_and_examples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"servicecert_schemas"}
    assert {
        "servicecert_schemas/py.typed",
        "servicecert_schemas/exported/asyncapi.json",
        "servicecert_schemas/exported/topics.json",
    } <= names
    for event_type in EVENTS:
        assert f"servicecert_schemas/exported/json/{event_type}.json" in names
        assert f"servicecert_schemas/exported/examples/{event_type}.json" in names


def test_it_works_where_only_pydantic_is(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for needed in ("pydantic", "pydantic_core", "annotated_types", "typing_extensions.py", "typing_inspection"):
        (site / needed).symlink_to(Path(pydantic.__file__).parents[1] / needed)
    script = (
        "import servicecert_schemas as s, servicecert_schemas.export as e\n"
        "assert not e.differing(), e.differing()\n"
        "for stored in (record for records in e.stored_examples().values() for record in records):\n"
        "    import json\n"
        "    headers = [(name, text.encode()) for name, text in stored['headers'].items()]\n"
        "    s.decode(stored['topic'], stored['key'].encode(), headers, json.dumps(stored['value']).encode())\n"
        "print(s.__file__)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    # -S leaves out everything else that is installed.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr == ""
    assert Path(done.stdout.strip()).is_relative_to(site)
