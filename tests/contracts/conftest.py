"""A whole system as `servicecert up` starts it, for clients of the e-service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from databases import SETTINGS
from servicecert_cli.commands.up import write_environment
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import System
from servicecert_launcher import start_parts


@dataclass(frozen=True)
class Trial:
    """The system, and the file that makes a shell its user `e-service`."""

    system: System
    environment: Path

    async def start(self, folder: Path, *command: str) -> asyncio.subprocess.Process:
        """Start a command in a folder, whose `bin` is searched first, by a shell that has read the file."""
        bare = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        script = f'. {self.environment}; PATH="{folder}/bin:$PATH"; exec "$@"'
        return await asyncio.create_subprocess_exec(
            *("sh", "-euc", script, "sh", *command),
            cwd=folder,
            env=bare,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def run(self, folder: Path, *command: str) -> str:
        """Return the output of a command that must succeed."""
        process = await self.start(folder, *command)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trial(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> AsyncIterator[Trial]:
    folder = tmp_path_factory.mktemp("trial")
    identities = Identities.make(tmp_path_factory.mktemp("identities") / "kafka")
    secured, tls = identities.broker, identities.database
    with start_parts(settings=SETTINGS, secured=secured, tls=tls, environment={}) as parts:
        async with System(folder, parts=parts, apart=False, authority=authority, identities=identities) as system:
            yield Trial(system, write_environment(system))
