"""Follows docs/changing-an-event.md on a copy of the product, through both releases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import released
from docs.changes import PACKAGE_FOLDERS, ProbedCopy
from docs.pages import CHECKOUT, blocks_in

pytestmark = pytest.mark.long

PAGE = (CHECKOUT / "docs" / "changing-an-event.md").read_text()
FIRST, SECOND = PAGE.split("## 5. ")
STEP_3 = PAGE.split("## 3. ")[1].split("## 4. ")[0]
SCHEMAS = "schemas/servicecert_schemas"
EXAMPLES = f"{SCHEMAS}/exported/examples"
LAST = CHECKOUT / released.SCHEMAS / released.version()
WITHOUT_NAMES = f"--ignore={CHECKOUT / 'tests/schemas/test_generated.py'}"
"""It compares with the checkout's names.json, which a copy of the product cannot add to."""
V1, V2, V3 = (f"servicecert.case.changed.v{number}" for number in (1, 2, 3))


def edits(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the edits of a part of the page: a file, what is there before, and after."""
    for block in blocks_in(text):
        if block.words[0] == "diff":
            for hunk in block.text.split("@@\n"):
                before, after = (
                    "".join(f"{line[1:]}\n" for line in hunk.splitlines() if not line.startswith(sign))
                    for sign in ("+", "-")
                )
                yield block.words[1], before, after


@pytest.fixture
def first(tmp_path: Path) -> ProbedCopy:
    """The first release, as the page makes it."""
    copy = ProbedCopy(tmp_path)
    for path, before, after in edits(FIRST):
        copy.edit(path, before, after)
    for stored in (copy.folder / EXAMPLES).glob(f"{V2}.*"):
        example = json.loads(stored.read_text().replace("case.changed.v2", "case.changed.v3"))
        example["value"]["is_over"] = example["value"]["state"] == "revoked"
        text = json.dumps(example, indent=2, ensure_ascii=False) + "\n"
        copy.add(f"{EXAMPLES}/{stored.name.replace(V2, V3)}", text)
    copy.export()
    return copy


def test_the_first_release_reads_three_versions_and_writes_the_one_that_the_last_release_reads(
    first: ProbedCopy,
) -> None:
    assert first.probe("incompatible") == []
    over = [f"{EXAMPLES}/{name}.json" for name in (V1, V2, V3)]
    for view in first.probe("records", *over):
        assert (view["state"], view["is_over"]) == ("revoked", True)
    for view in first.probe("records", f"{EXAMPLES}/{V1}.returned.json", f"{EXAMPLES}/{V2}.returned.json"):
        assert (view["acts_next"], view["is_over"]) == ("applicant", False)
    (accepted,) = first.probe("cases", "{}")
    assert (accepted["state"], accepted["is_over"]) == ("accepted", False)
    assert first.probe("written_types", *over) == [V2, V2, V2]
    assert first.probe("too_early", str(LAST)) == []


def test_the_second_release_writes_the_new_version_and_not_a_release_earlier(first: ProbedCopy) -> None:
    for path, before, after in edits(SECOND):
        first.edit(path, before, after)
    assert first.probe("written_types", f"{EXAMPLES}/{V1}.json") == [V3]
    assert first.probe("too_early", str(LAST)) == [V3]
    # The schemas of the first release, once it is one.
    assert first.probe("too_early", str(first.folder / SCHEMAS / "exported" / "json")) == []
    first.export()
    first.require_passing("tests/schemas", "tests/contracts/test_examples.py", WITHOUT_NAMES)


def test_what_step_3_runs_passes_in_the_first_release(first: ProbedCopy) -> None:
    (command,) = re.findall(r"^    \.venv/bin/pytest (.+)$", STEP_3, re.MULTILINE)
    first.require_passing(*command.split(), WITHOUT_NAMES)


def test_the_page_s_code_is_formatted(first: ProbedCopy) -> None:
    for tool in (["check"], ["format", "--check"]):
        first.python("-m", "ruff", *tool, "--config", str(CHECKOUT / "pyproject.toml"), *PACKAGE_FOLDERS)
