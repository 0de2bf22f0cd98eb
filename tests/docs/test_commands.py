"""Runs the commands of the pages, in order, against a real broker and database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from docs.pages import ALERTS, CHECKOUT, PAGES, README, Block
from prometheus_client.parser import text_string_to_metric_families
from servicecert_cli.commands.up import write_environment, write_users
from servicecert_cli.stand.system import System
from servicecert_launcher import Parts

from docs import pages

INSTALL, WATCHING, MAILS = (CHECKOUT / "docs" / f"{name}.md" for name in ("install", "watching", "mails"))
REGISTERS = CHECKOUT / "docs" / "registers.md"
RUNBOOK = (README, *ALERTS)
TASKS = [
    CHECKOUT / "docs" / "tasks" / f"{name}.md"
    for name in (
        "operators",
        "incident",
        "service-keys",
        "parked-records",
        "leaked-keys",
        "erasing",
        "recreated-topics",
        "upgrades",
        "workers",
    )
]
AWAIT_SECONDS = 60
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def shown(page: Path, *, bare: bool) -> list[Block]:
    """Return the blocks of a page that are to be run."""
    blocks = [block for block in pages.blocks(page) if {"run", "await"} & set(block.words)]
    return [block for block in blocks if ("bare" in block.words) is bare]


def once(blocks: list[Block]) -> list[Block]:
    """Return their lines, each once, in a block of each user: pages repeat commands that only look."""
    lines = dict.fromkeys((block.user, line) for block in blocks for line in block.text.splitlines())
    users = dict.fromkeys(user for user, _ in lines)
    return [
        Block(("sh", "run", *([f"as-{user}"] if user else ())), "\n".join(line for its, line in lines if its == user))
        for user in users
    ]


async def answered(url: str, questions: list[str]) -> None:
    """Ask the database each question as this login. Raises asyncpg's errors."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(readonly=True):
            for question in questions:
                await connection.fetch(question)
    finally:
        await connection.close()


def script(blocks: list[Block]) -> str:
    """Return one script of all blocks. An `await` block is retried until it succeeds, at most for a minute.

    One with the word `as-USER` is run by that user of the broker.
    """
    lines = ["set -euo pipefail"]
    for block in blocks:
        if block.user:
            lines.append(f"(. $USERS/{block.user}; {block.text.rstrip()}\n)")
        elif "await" in block.words:
            lines.append(
                f"SECONDS=0; until {{ {block.text.rstrip()}; }}; do test $SECONDS -lt {AWAIT_SECONDS}; sleep 0.2; done"
            )
        else:
            lines.append(block.text)
    return "\n".join(lines)


async def served(system: System) -> set[str]:
    """Return the Prometheus names of the metrics that a worker serves, without `_created`."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{system.health('intake')}/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if not family.name.endswith("_created")
    }


def run(blocks: list[Block], folder: Path, environment: Mapping[str, str], before: str = ":") -> str:
    """Return the output of the blocks, which must succeed."""
    result = subprocess.run(
        ["bash", "-c", f"{before}\n{script(blocks)}"],
        cwd=folder,
        env={**os.environ, "PATH": PATH, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.long
def test_a_first_start_prepares_everything(parts: Parts, database_url: str, tmp_path: Path) -> None:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": parts.bootstrap,
        "SERVICECERT_TOPIC_PREFIX": f"docs-{uuid4().hex[:8]}.",
        "DATABASE_URL": database_url,
    }
    blocks = [*shown(INSTALL, bare=True), *shown(REGISTERS, bare=True)]
    assert blocks
    output = run(blocks, tmp_path, environment)
    assert "missing" not in output
    # The first page already loaded the registers.
    assert "0 added, 0 changed, 0 ended" in output
    assert (tmp_path / "service-urls").stat().st_mode & 0o077 == 0


@pytest.mark.long
async def test_what_operators_do_works(parts: Parts, authority: Path, tmp_path: Path) -> None:
    async with System(tmp_path, secure=True, authority=authority) as system:
        write_environment(system)
        users = write_users(system)
        environment = users / "operator"
        blocks = [block for page in (WATCHING, MAILS, *TASKS) for block in shown(page, bare=False)]
        assert any("await" in block.words for block in blocks)
        # An incident needs a certificate.
        example = "servicecert example --type test-server --folder example >&2"
        before = f"(. {users}/e-service; {example}); . {environment}"
        output = await asyncio.to_thread(run, blocks, tmp_path, {"USERS": str(users)}, before)
        assert "0 records are parked." in output
        # What the runbook looks at, by an operator's login that the page has made.
        looks = once([block for page in RUNBOOK for block in shown(page, bare=False)])
        anna = (tmp_path / "anna-url").read_text().strip().removeprefix("DATABASE_URL=")
        before = f". {environment}; export DATABASE_URL={quote(anna)}"
        await asyncio.to_thread(run, looks, tmp_path, {"USERS": str(users)}, before)
        asked = [block.text for page in RUNBOOK for block in pages.blocks(page) if block.words == ("sql",)]
        assert asked
        await answered(anna, asked)
        listed = {
            row[0].strip("`")
            for row in pages.rows(pages.METRICS, "metrics")
            if {"all", "services", "intake"} & set(row[3].split(", "))
        }
        assert await served(system) == listed


@pytest.mark.long
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in (WATCHING, MAILS, *TASKS, *RUNBOOK) and shown(page, bare=False)],
    ids=lambda p: p.stem,
)
def test_what_other_pages_show_works(page: Path, tmp_path: Path) -> None:
    # A ceremony refuses the names of examples.
    blocks = [
        replace(block, text=block.text.replace("example.fi", "myndigheten.fi")) for block in shown(page, bare=False)
    ]
    run(blocks, tmp_path, {})
