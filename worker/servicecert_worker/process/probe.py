"""The health check of a container: `python -m servicecert_worker.process.probe` exits with 0 if its process is ready.

Docker starts a process again that has ended, and not one that is frozen. So the probe kills a process that answered
before and does not answer at all three times in a row; one that has not answered yet is starting, and may wait for its
broker or migrate its tables. It does so only where an init is process 1, as `init: true` has it in Compose.
"""

import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

_INITS = frozenset({"docker-init", "podman-init", "tini", "catatonit"})
_MOST_UNANSWERED = 3
_ANSWER_SECONDS = 3.0


def main(url: str, count: Path, processes: Path = Path("/proc")) -> int:
    """Return 0 if `url` answers that the process is ready, else 1.

    `count` is a file with the number of unanswered probes since the last answer. It must not outlive the process.
    """
    try:
        urllib.request.urlopen(url, timeout=_ANSWER_SECONDS)  # noqa: S310  -- an address of this container
    except urllib.error.HTTPError as error:
        count.write_text("0")
        print(error.read(200).decode(errors="replace").strip())
        return 1
    except OSError:
        if not count.exists():
            print("no answer yet")
            return 1
        unanswered = int(count.read_text()) + 1
        count.write_text(str(unanswered))
        print(f"no answer, {unanswered} times in a row")
        if unanswered >= _MOST_UNANSWERED and name_of(processes / "1") in _INITS:
            count.unlink()
            for child in children_of_init(processes):
                os.kill(child, signal.SIGKILL)
        return 1
    count.write_text("0")
    return 0


def children_of_init(processes: Path) -> list[int]:
    """Return the processes that process 1 has started, but not this one. `processes` is /proc (proc(5), stat)."""
    found = []
    for folder in processes.iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == 1:
                found.append(int(folder.name))
    return found


def name_of(folder: Path) -> str:
    """Return a process's name; the empty string where it has ended."""
    try:
        return (folder / "comm").read_text().strip()
    except OSError:
        return ""


if __name__ == "__main__":
    port = os.environ.get("SERVICECERT_HEALTH_PORT", "8000")
    sys.exit(main(f"http://127.0.0.1:{port}/ready", Path("/tmp/unanswered")))  # noqa: S108  -- a tmpfs of the container
