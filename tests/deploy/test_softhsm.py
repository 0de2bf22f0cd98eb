import shutil
from pathlib import Path

import pytest
from servicecert_launcher import SoftHsm, TokenMissing, softhsm


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softhsm, "_installed", lambda: None)


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt and a dpkg-deb that write down how they are called, and deliver a package of one file."""
    programs = tmp_path / "programs"
    programs.mkdir()
    executable(programs / "apt-get", f'echo "$@" >> {tmp_path}/calls; case "$*" in *download*) touch it.deb;; esac')
    unpack = "usr/lib/here/softhsm"
    executable(programs / "dpkg-deb", f'mkdir -p "$3/{unpack}"; touch "$3/{unpack}/libsofthsm2.so"')
    for name in ("mkdir", "touch", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_what_is_installed_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softhsm, "_installed", lambda: tmp_path / "libsofthsm2.so")
    assert softhsm.find_library(tmp_path / "cache") == tmp_path / "libsofthsm2.so"
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("not_installed")
def test_it_is_fetched_once_from_the_machine_s_own_sources_and_nothing_else_is_changed(
    tmp_path: Path, apt: Path
) -> None:
    first = softhsm.find_library(tmp_path / "cache")
    assert first == softhsm.find_library(tmp_path / "cache")
    assert first.is_relative_to(tmp_path / "cache" / "package")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["update", "libsofthsm2"]
    assert all("Dir::State=" in call and "Dir::Cache=" in call for call in calls)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["lock", "package"]


@pytest.mark.usefixtures("not_installed")
def test_a_fetch_that_fails_is_one_sentence_and_leaves_nothing_half_there(tmp_path: Path, apt: Path) -> None:
    executable(apt / "apt-get", "echo 'E: no network' >&2; exit 100")
    with pytest.raises(TokenMissing, match=r"could not be fetched \(E: no network\): install the package softhsm2"):
        softhsm.find_library(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


@pytest.mark.usefixtures("not_installed")
def test_without_apt_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TokenMissing, match="install the package softhsm2"):
        softhsm.find_library(tmp_path / "cache")


def test_tokens_are_their_owner_s_alone_and_a_label_s_folder_is_told(tmp_path: Path) -> None:
    try:
        hsm = SoftHsm.prepare(tmp_path / "hsm")
    except TokenMissing as missing:
        pytest.skip(str(missing))
    folder = hsm.add_token("here", "123456", "officer")
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert {path.name for path in folder.iterdir()} >= {"token.object"}
