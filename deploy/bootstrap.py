"""Makes the virtual environment `.venv` of this checkout with the packages of `requirements.lock` and this project.

    python3 deploy/bootstrap.py

Two runs at once are safe. Does nothing if `.venv/.ready` is newer than its inputs. Uses the standard library only.

A Python that was built without profile-guided optimisation, as pyenv builds it, takes up to 1.4 times as long for the
same code, and no build says surely how it was made. So the Pythons on PATH run a loop, and the fastest is taken.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
READY = VENV / ".ready"
LOCK = CHECKOUT / "requirements.lock"
INPUTS = (LOCK, CHECKOUT / "pyproject.toml", CHECKOUT / "schemas" / "pyproject.toml", Path(__file__).resolve())
PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check")
OURS = ("-e", "schemas", "-e", ".")
NAMES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
CLEARLY = 0.9
"""What a Python's time must be of another's to be taken instead."""
TIMED = """
import ensurepip, sys, time
def work():
    kept = {}
    for number in range(2000):
        kept[number % 50] = str(number) + "a"
def once():
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
print(min(once() for _ in range(50)) if sys.version_info >= (3, 11) else "too old")
"""


def run(otherwise: str, *command: str | Path) -> None:
    """Run a step in the checkout; if it fails, print its output and exit with the sentence `otherwise`.

    A terminal shows how many packages are fetched.
    """
    lines, fetched, packages = [], 0, LOCK.read_text().count("==")
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as step:
        for line in step.stdout or ():
            lines.append(line)
            if sys.stdout.isatty() and line.startswith(("Collecting ", "Installing collected")):
                fetched += line.startswith("Collecting ")
                does = f"fetching {fetched} of {packages} packages" if line[0] == "C" else "installing what was fetched"
                print(f"\rsetup: {does:<40}", end="\n" if line[0] == "I" else "", flush=True)
    if step.returncode != 0:
        sys.exit(f"{''.join(lines)}\nsetup: {otherwise}")


def works() -> bool:
    return PYTHON.exists() and subprocess.run([*PIP, "--version"], capture_output=True).returncode == 0


def fastest() -> str:
    """Return the Python to use: this one, unless one on PATH is clearly faster."""
    best, shortest = sys.executable, seconds(sys.executable) or float("inf")
    places = [Path(folder) / name for folder in os.get_exec_path() for name in NAMES]
    for path in dict.fromkeys(str(place) for place in places if os.access(place, os.X_OK)):
        taken = seconds(path)
        if taken is not None and taken < CLEARLY * shortest:
            best, shortest = path, taken
    return best


def seconds(python: str) -> float | None:
    """Return how long a Python takes for the loop; None for one that is too old or has no venv."""
    timed = subprocess.run([python, "-c", TIMED], capture_output=True, text=True)
    try:
        return float(timed.stdout)
    except ValueError:
        return None


def ready() -> bool:
    return READY.exists() and all(path.stat().st_mtime <= READY.stat().st_mtime for path in INPUTS)


def install() -> None:
    """Install the locked packages, each checked by its hash, and our own two in place."""
    if not works():
        run(
            "Python's module venv does not work: on Debian and Ubuntu run `apt-get install python3-venv`.",
            *(fastest(), "-m", "venv", "--clear", VENV),
        )
    run(
        "The locked packages could not be installed: check the network, then run `make setup` again.",
        *(*PIP, "install", "--require-hashes", "-r", LOCK),
    )
    run(
        "This checkout could not be installed into .venv: see the output above.",
        *(*PIP, "install", "--no-deps", "--no-build-isolation", *OURS),
    )


def main() -> None:
    """Make the environment unless it is ready, one process at a time."""
    with (CHECKOUT / "pyproject.toml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready():
            print("setup: installing the locked packages into .venv (a minute the first time)", flush=True)
            install()
            READY.touch()


if __name__ == "__main__":
    main()
