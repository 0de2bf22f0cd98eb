"""Secrets by file: one rule for all of them."""

import os
import re
from pathlib import Path

import pytest
from servicecert_worker.core.secret_files import SecretUnreadable, read_secret


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_the_first_line_of_a_private_file_is_the_secret(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cr3t\r\na remark\n")
    file.chmod(mode)
    assert read_secret(file) == "s3cr3t"


@pytest.mark.parametrize("mode", [0o444, 0o644, 0o660, 0o620, 0o602, 0o641])
def test_a_file_that_others_may_read_or_change_is_refused_with_the_way_out(
    tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The group of these files may be this user's private one, which may read: to root, it is another's.
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    file = tmp_path / "secret"
    file.write_text("s3cr3t")
    file.chmod(mode)
    with pytest.raises(SecretUnreadable, match=re.escape(f"others can read {file}: run `chmod 600 {file}`")):
        read_secret(file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No such file"), (b"\n", "first line of"), (b"", "first line of"), (b"\xff", "not UTF-8")],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.touch(mode=0o600)
        file.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=sentence) as caught:
        read_secret(file)
    assert str(file) in str(caught.value)
