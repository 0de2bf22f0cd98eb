"""What a trial writes on a machine with other users: mails, logs and secrets are its own user's (F4)."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from servicecert_cli.faults import UserError
from servicecert_cli.stand.folders import empty_folder, make_folders
from servicecert_launcher import Child
from servicecert_launcher.accounts import unprivileged
from servicecert_launcher.mail_catcher import MailCatcher


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can enter and list, while files are open to all unless their writer says otherwise."""
    before = os.umask(0o022)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
    os.umask(before)


def seen_by_another(folder: Path) -> list[str]:
    """Return what another user finds below a folder; where we cannot become another, what the modes let it find."""
    other = unprivileged()
    if other is None:
        return [] if folder.stat().st_mode & 0o077 == 0 else [str(folder)]
    found = subprocess.run(
        ["find", folder, "-mindepth", "1"], user=other.pw_uid, group=other.pw_gid, extra_groups=[], capture_output=True
    )
    return found.stdout.decode().splitlines()


async def send_to(folder: Path) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@authority.example", "anna@apteekki.example", "certificate"
    async with MailCatcher(folder) as catcher:
        await aiosmtplib.send(mail, hostname=catcher.host, port=catcher.port)


def filled(folder: Path) -> list[Path]:
    """Write a mail and a log as a system does, and return all files."""
    make_folders(folder)
    asyncio.run(send_to(folder / "mail"))
    Child([sys.executable, "--version"], log=folder / "logs" / "intake.log").wait()
    return [path for path in folder.rglob("*") if path.is_file()]


def test_f4_another_user_of_the_machine_reads_nothing_of_a_trial(public: Path) -> None:
    folder = empty_folder(public / "var" / "up")
    files = filled(folder)
    assert {path.parent.name for path in files} == {"mail", "logs"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {each.stat().st_mode & 0o777 for each in (folder, *folder.iterdir())} == {0o700}
    assert seen_by_another(folder) == []


def test_f4_a_folder_that_was_open_to_all_is_closed(public: Path) -> None:
    folder = public / "up"
    (folder / "mail").mkdir(parents=True)
    (folder / "mail" / "0001-old.eml").touch()
    assert seen_by_another(folder)
    filled(folder)
    assert seen_by_another(folder) == []
    assert (folder / "mail" / "0001-old.eml").exists()


def test_a_folder_of_a_running_system_is_left_to_it(tmp_path: Path) -> None:
    folder = empty_folder(tmp_path / "up")
    (folder / "environment").touch()
    with pytest.raises(UserError, match="belongs to a system that runs: name another --folder"):
        empty_folder(folder)
    assert (folder / "environment").exists()


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"has files that are not ours: name an empty --folder\.$"):
        empty_folder(tmp_path)
    assert (tmp_path / "thesis.tex").exists()
