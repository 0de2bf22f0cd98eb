"""Each command has a man page, of its help text."""

import shutil
import subprocess
import sys

import pytest
from commandline import LEAVES
from docs.pages import CHECKOUT


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man") / "man1"
    subprocess.run([sys.executable, CHECKOUT / "deploy" / "man_pages.py", folder], check=True)
    return folder


def test_every_command_has_a_page(pages):
    named = {page.name for page in pages.iterdir()}
    assert {f"servicecert-{'-'.join(path)}.1" for path, _ in LEAVES} <= named


def test_man_shows_a_page(pages):
    if shutil.which("man") is None:
        assert ".SH SYNOPSIS" in (pages / "servicecert-ca-root-sign.1").read_text()
        return
    shown = subprocess.run(
        ["man", "-l", pages / "servicecert-ca-root-sign.1"], check=True, capture_output=True, text=True
    ).stdout
    assert "servicecert ca root sign [OPTIONS] OFFLINE REQUEST..." in shown
    assert "--passphrase-file FILE" in shown
