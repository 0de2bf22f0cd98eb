"""Makes the virtual environment `.venv` of this checkout and installs what `requirements.lock` pins, and ourselves.

    python3 deploy/bootstrap.py

Two at once do not disturb each other. What is there already is not done again: `.venv/.ready` is as old as the last
time. Uses the standard library only.
"""

import fcntl
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
READY = VENV / ".ready"
LOCK = CHECKOUT / "requirements.lock"
INPUTS = (LOCK, CHECKOUT / "pyproject.toml", CHECKOUT / "schemas" / "pyproject.toml", Path(__file__).resolve())
PIP = (PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check")
OURS = ("-e", "schemas", "-e", ".")


def run(otherwise: str, *command: str | Path) -> None:
    """Runs a step in the checkout; when it fails, shows what it said and ends with the sentence `otherwise`."""
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nsetup: {otherwise}")


def works() -> bool:
    """Whether there is an environment with a pip that runs."""
    return PYTHON.exists() and subprocess.run([*PIP, "--version"], capture_output=True).returncode == 0


def ready() -> bool:
    """Whether all that the environment is made of is older than it."""
    return READY.exists() and all(path.stat().st_mtime <= READY.stat().st_mtime for path in INPUTS)


def install() -> None:
    """The locked packages, each checked by its hash, and our own two in place."""
    if not works():
        run(
            "Python's module venv did not work; on Debian and Ubuntu, `apt-get install python3-venv` brings it.",
            *(sys.executable, "-m", "venv", "--clear", VENV),
        )
    run(
        "The locked packages could not be installed; is there a network? Then run `make setup` again.",
        *(*PIP, "install", "--require-hashes", "-r", LOCK),
    )
    run(
        "This checkout could not be installed into .venv.",
        *(*PIP, "install", "--no-deps", "--no-build-isolation", *OURS),
    )


def main() -> None:
    """Does what is left to do, one process at a time."""
    with (CHECKOUT / "pyproject.toml").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not ready():
            print("setup: installing the locked packages into .venv (a minute the first time)", flush=True)
            install()
            READY.touch()


if __name__ == "__main__":
    main()
