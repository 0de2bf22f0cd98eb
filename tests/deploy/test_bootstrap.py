"""`make setup` takes the fastest Python on PATH, if it is clearly faster than the first."""

import importlib.util
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("bootstrap", CHECKOUT / "deploy" / "bootstrap.py")
assert _SPEC is not None
assert _SPEC.loader is not None
bootstrap = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(bootstrap)


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    def put(name: str, answer: str) -> str:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)
        return str(program)

    monkeypatch.setenv("PATH", str(tmp_path))
    return put


def test_the_running_python_is_timed():
    assert 0 < bootstrap.seconds(sys.executable) < 1


def test_a_clearly_faster_one_is_taken(on_path):
    faster = on_path("python3.13", "echo 0.0000001")
    on_path("python3", "echo 1000")
    assert bootstrap.fastest() == faster


@pytest.mark.parametrize(
    "answer", ["echo too old", "echo 'No module named ensurepip' >&2; exit 1", "exit 127", "echo 1000"]
)
def test_one_that_is_too_old_broken_or_slower_is_not(on_path, answer):
    on_path("python3", answer)
    assert bootstrap.fastest() == sys.executable


def test_a_little_faster_is_not_enough(on_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "seconds", {sys.executable: 1.0, on_path("python3", ""): 0.95}.get)
    assert bootstrap.fastest() == sys.executable


def test_without_venv_any_other_is_taken(on_path, monkeypatch):
    other = on_path("python3", "")
    monkeypatch.setattr(bootstrap, "seconds", {other: 9.0}.get)
    assert bootstrap.fastest() == other
