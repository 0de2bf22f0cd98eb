"""Makes the virtual environment `.venv` of this checkout and installs what `requirements.lock` pins, and ourselves.

    python3 deploy/bootstrap.py

Any Python will do to start it: it goes on with one that is new enough. Two at once do not disturb each other. What is
there already is not done again; `.venv/.ready` says when it was.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
CANDIDATES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
READY = VENV / ".ready"
LOCK = CHECKOUT / "requirements.lock"
INPUTS = (LOCK, CHECKOUT / "pyproject.toml", CHECKOUT / "schemas" / "pyproject.toml", Path(__file__).resolve())
OURS = ("-e", "schemas", "-e", ".")


def fail(sentence):
    """Ends with one sentence for a person."""
    sys.exit("setup: " + sentence)


def version_of(program):
    """Version of a Python, None when it does not run: a shim may be there without its Python."""
    ask = [program, "-c", "import sys; print(*sys.version_info[:2])"]
    answer = subprocess.run(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return tuple(map(int, answer.stdout.split())) if answer.returncode == 0 else None


def new_enough():
    """Path of a Python that is new enough."""
    found = [path for path in map(shutil.which, CANDIDATES) if path]
    for program in found:
        version = version_of(program)
        if version and version >= OLDEST:
            return program
    return fail("Python 3.11 or newer is needed and none of {} is; install one.".format(", ".join(CANDIDATES)))


def run(*command):
    """Runs a step in the checkout; ends with its output when it fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=str(CHECKOUT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
    return done.returncode == 0


def ready():
    """Whether all that the environment is made of is older than it."""
    return READY.exists() and all(path.stat().st_mtime <= READY.stat().st_mtime for path in INPUTS)


def make_venv():
    """An empty environment, unless one that works is there."""
    python = VENV / "bin" / "python"
    if python.exists() and version_of(str(python)) and run(python, "-m", "pip", "--version"):
        return python
    if not run(sys.executable, "-m", "venv", "--clear", VENV):
        fail("Python's module venv did not work; on Debian and Ubuntu, `apt-get install python3-venv` brings it.")
    return python


def install(python):
    """The locked packages, each checked by its hash, and our own two in place."""
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if not run(*pip, "--require-hashes", "-r", LOCK):
        fail("The locked packages could not be installed (above is why); is there a network? Then `make setup` again.")
    if not run(*pip, "--no-deps", "--no-build-isolation", *OURS):
        fail("This checkout could not be installed into .venv; above is why.")


def main():
    """Does what is left to do, alone."""
    if sys.version_info < OLDEST:
        program = new_enough()
        os.execv(program, [program, __file__])
    import fcntl

    with (CHECKOUT / "pyproject.toml").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if ready():
            return
        print("setup: installing the locked packages into .venv (a minute the first time)", flush=True)
        install(make_venv())
        READY.touch()


if __name__ == "__main__":
    main()
