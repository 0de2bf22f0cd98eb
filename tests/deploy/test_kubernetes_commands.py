"""What the pages have operators type to a cluster: kubectl takes it, and it names objects that are there."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.pages import PAGES
from manifests import BY_NAME, CHECKOUT, SHELLS
from servicecert_schemas.topics import SERVICES

from docs import pages


def lines() -> Iterator[tuple[Path, str]]:
    """Yield every `kubectl …` on a page, in a line of a shell block or between backticks."""
    for page in PAGES:
        shown = [block.text for block in pages.blocks(page) if block.words[:1] == ("sh",)]
        for line in "\n".join(shown).splitlines() + re.findall(r"`(kubectl [^`]+)`", pages.prose(page)):
            if line.startswith("kubectl "):
                yield page, line


LINES = dict.fromkeys(lines())


def there(page: Path) -> set[tuple[str, str]]:
    """Return the objects that a page can name: those of the manifests, and the jobs that it makes."""
    made = re.findall(r"kubectl create job (\S+) --from=cronjob/", page.read_text())
    return {(kind.lower(), name) for kind, name in BY_NAME} | {("job", name) for name in made}


def test_the_page_of_kubernetes_says_how_commands_are_run_and_workers_are_stopped() -> None:
    text = "\n".join(line for _, line in LINES)
    for told in (
        "paused-replicas=0",
        "paused-replicas-",
        "restore apply",
        "servicecert doctor",
        "cronjob/operator-shell",
    ):
        assert told in text


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.stem}: {line}" for page, line in LINES])
def test_what_a_command_names_is_there(page: Path, line: str) -> None:
    found = re.findall(r"\b(cronjob|job|deployment|scaledobject)/([\w-]+)", line)
    words = shlex.split(line)
    for kind in {"deployment", "scaledobject"} & set(words):
        found += [(kind, name) for name in words if name in (*SERVICES, "ocsp", "crl")]
    if line.startswith("kubectl delete job "):
        found.append(("job", words[3]))
    assert set(found) <= there(page)
    label = re.search(r"component(?:=(\w+)| in \(([\w,]+)\))", line)
    if label:
        assert set((label[1] or label[2]).split(",")) <= {name for kind, name in there(page) if kind == "deployment"}


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.stem}: {line}" for page, line in LINES])
def test_kubectl_takes_the_command(page: Path, line: str, tmp_path: Path) -> None:
    """Against a server that is not there: kubectl says so only after it has understood."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    client = ["kubectl", "--server=http://127.0.0.1:1", "--request-timeout=5s"]
    done = subprocess.run(
        [*client, *shlex.split(line.replace("POD", "a-pod"))[1:]],
        cwd=CHECKOUT,
        env={**os.environ, "KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    understood = ("was refused", "connection refused", "no current context is set")
    assert done.returncode == 0 or any(said in done.stderr for said in understood), done.stderr


def test_every_shell_is_named_on_the_page() -> None:
    (page,) = (page for page in PAGES if page.name == "kubernetes.md")
    assert all(f"`{shell}`" in page.read_text() for shell in SHELLS)
