"""What generators of TypeScript and Java make of the exported files compiles, and its types keep their names.

It needs node, npm and javac, and fetches the generators, in the versions of `generated/package-lock.json`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from servicecert_schemas.export import EXPORTED

pytestmark = pytest.mark.long

GENERATED = Path(__file__).parent / "generated"
NAMES: dict[str, list[str]] = json.loads((GENERATED / "names.json").read_text())
"""The names of the types by language: those of each release are among them (tests/contracts/test_compatibility.py)."""

_TYPE = re.compile(r"^export (?:type|interface) (\w+)", re.MULTILINE)


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generators and what they make."""
    for program in ("node", "npm", "javac"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine, so nothing was generated")
    folder = Path(shutil.copytree(GENERATED, tmp_path_factory.mktemp("tools") / "generated"))
    if subprocess.run(["npm", "ci"], cwd=folder, capture_output=True).returncode:
        pytest.skip("the generators cannot be fetched, so nothing was generated")
    run("node", "generate.mjs", EXPORTED, folder, folder=folder)
    return folder


def test_the_typescript_compiles_and_its_types_keep_their_names(tools: Path) -> None:
    files = sorted((tools / "typescript").glob("*.ts"))
    run("node_modules/.bin/tsc", "--noEmit", "--strict", "--moduleDetection", "force", *files, folder=tools)
    assert sorted({name for file in files for name in _TYPE.findall(file.read_text())}) == NAMES["typescript"], (
        "keep the names that are gone; add the new ones to names.json"
    )


def test_the_java_compiles_and_its_types_keep_their_names(tools: Path) -> None:
    files = sorted((tools / "java" / "servicecert").glob("*.java"))
    run("javac", "-d", tools / "classes", *files, folder=tools)
    assert [file.stem for file in files] == NAMES["java"], (
        "keep the names that are gone; add the new ones to names.json"
    )


def test_spectral_warns_of_nothing_in_the_asyncapi_document(tools: Path) -> None:
    lint = ("node_modules/.bin/spectral", "lint", "--fail-severity", "hint", "--ruleset", "spectral.yaml")
    run(*lint, EXPORTED / "asyncapi.json", folder=tools)


def test_no_generator_numbers_a_type() -> None:
    assert [name for names in NAMES.values() for name in names if re.search(r"Anonymous|\d$", name)] == [
        "CaseChangedV1"
    ] * 2
