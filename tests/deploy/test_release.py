"""A release has one version, which everything names, and its two wheels work without the checkout."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
import released
from docs.pages import CHECKOUT
from manifests import BASE, kustomization
from servicecert_schemas.export import exported_files
from servicecert_worker.runtime.metrics import Basics

VERSION = tomllib.loads((CHECKOUT / "schemas" / "pyproject.toml").read_text())["project"]["version"]
SET = "run `make format`, which installs the version and writes it into the labels"


@pytest.fixture(scope="module", params=["these packages", pytest.param("fetched", marks=pytest.mark.long)])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an empty environment with our two wheels; what they need comes from this one, or is fetched."""
    folder = tmp_path_factory.mktemp("release")
    for project in (CHECKOUT, CHECKOUT / "schemas"):
        _python("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=project)
    environment = folder / "environment"
    _python("-m", "venv", "--without-pip", str(environment), cwd=folder)
    install = ("-m", "pip", "--python", str(environment), "install")
    _python(*install, "--no-index", "--no-deps", *map(str, folder.glob("*.whl")), cwd=folder)
    if request.param == "fetched":
        _python(*install, "--require-hashes", "-r", str(CHECKOUT / "deploy" / "requirements.lock"), cwd=folder)
    else:
        (site,) = environment.glob("lib/python*/site-packages")
        # No .pth file of that folder is read, so the checkout is in no path.
        (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin" / "servicecert"


def _python(*arguments: str, cwd: Path) -> None:
    subprocess.run([sys.executable, *arguments], cwd=cwd, check=True, capture_output=True)


def test_packages_metrics_documents_image_and_labels_name_one_version() -> None:
    assert (version("servicecert"), version("servicecert-schemas")) == (VERSION, VERSION), SET
    assert f'version="{VERSION}"' in Basics("toy").text().decode()
    assert f'"version": "{VERSION}"' in exported_files()["asyncapi.json"]
    image = (CHECKOUT / "deploy" / "Dockerfile").read_text()
    assert f"\nLABEL org.opencontainers.image.version={VERSION} " in image, SET
    (labels,) = kustomization(BASE)["labels"]
    assert labels["pairs"]["app.kubernetes.io/version"] == VERSION, SET


def test_both_packages_have_the_licence() -> None:
    for name in ("servicecert", "servicecert-schemas"):
        assert metadata(name)["License-Expression"] == "EUPL-1.2"
        assert metadata(name).get_all("License-File") == ["LICENSE"]


def test_the_changelog_begins_with_the_version_and_each_release_is_supported_for_a_stated_time() -> None:
    releases = re.findall(r"^## (.+) \((.+)\)$", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE)
    rows = re.findall(r"^\| (\d\S+) \| (.+?) \| .+ \|$", (CHECKOUT / "SECURITY.md").read_text(), re.MULTILINE)
    assert releases == rows
    assert releases[0][0] == VERSION
    is_out = released.version() == VERSION
    assert [day == "not released yet" for _, day in releases] == [not is_out] + [False] * (len(releases) - 1)


def test_the_wheels_work_without_the_checkout(program: Path, tmp_path: Path) -> None:
    def output(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert output("--version") == f"{VERSION}\n"
    assert "Usage: servicecert demo" in output("demo", "--help")
    output("mail", "preview", "--folder", "mails")
    assert (tmp_path / "mails" / "index.html").exists()
    paths = "import servicecert_schemas as s, servicecert_launcher.java as j; print(s.__file__, j.LISTED, j.CACHES)"
    done = subprocess.run([program.with_name("python"), "-c", paths], cwd=tmp_path, capture_output=True, text=True)
    schemas, listed, caches = map(Path, done.stdout.split())
    assert (schemas.is_relative_to(program.parents[1]), listed.exists()) == (True, True)
    assert not caches.is_relative_to(program.parents[1])
