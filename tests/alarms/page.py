"""The commands of the runbook's page of an alert, run while its fault lasts, as the operator runs them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from shlex import quote

from docs.pages import CHECKOUT
from servicecert_cli.commands.up import write_environment, write_users
from servicecert_cli.stand.system import System
from servicecert_cli.watching.conditions import CONDITIONS

from docs import pages

_SECONDS = 120
_UNEXPECTED = ("Traceback", "ended by a defect")
_DEFECT = 70


async def failed_commands(system: System, alert: str, output: Path) -> tuple[str, ...]:
    """Run the commands that are for a fault; return those that fail otherwise than by what they have found.

    They may end with a code of what they found, such as 2 of the doctor or 69 for a server that is away. `output` gets
    what they print.
    """
    page = CHECKOUT / "docs" / "runbook" / (CONDITIONS[alert].page or "").partition("#")[0]
    commands = [(block.user or "operator", block.text) for block in pages.blocks(page) if "fault" in block.words]
    write_environment(system)
    users = write_users(system)
    failed = []
    with output.open("w") as file:
        for user, command in commands:
            code, text = await asyncio.to_thread(_run, f". {quote(str(users / user))}", command, output.parent)
            file.write(f"$ {command}\n{text}\n[{code}]\n\n")
            if code >= _DEFECT or any(word in text for word in _UNEXPECTED):
                failed.append(command.strip())
    return tuple(failed)


def _run(before: str, command: str, folder: Path) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"{before}\n{command}"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout
