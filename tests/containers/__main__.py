"""`make compose-test`: everything that docs/install.md promises of Compose, looked at from outside."""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from . import NOT_RUN
from .engine import Engine, Failed
from .images import BASE, CHECKOUT, prepare
from .run import Run

UNAVAILABLE = 69
_PROGRAMS = ("podman", "runc", "debootstrap", "netavark", "iptables", "catatonit")


def main() -> int:
    parser = argparse.ArgumentParser(prog="containers", description="Run docker-compose.yml on podman.")
    folder = CHECKOUT / "var" / "containers"
    parser.add_argument("--folder", type=Path, default=folder, help="for images, kept for the next run")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or not all(map(_is_installed, _PROGRAMS)):
        return _unavailable(
            "run it as root, after `apt-get install podman runc debootstrap netavark aardvark-dns iptables catatonit`"
        )
    # A run that is ended takes its containers down: the network's rules would outlive them, and refuse ports to others.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    engine = Engine(arguments.folder.resolve())
    engine.configure()
    try:
        compose = prepare(engine)
        try:
            engine.podman("run", "--rm", "--network", "none", BASE, "true")
        except Failed as fault:
            return _unavailable(f"podman cannot run a container on this machine: {fault}")
        with engine.serving(), Run(engine, compose) as run:
            run.all()
    except (Failed, AssertionError) as fault:
        print(f"compose-test: {fault}", file=sys.stderr)
        return 1
    print("\nNot run here:", *(f"  {each}" for each in NOT_RUN), sep="\n")
    return 0


def _is_installed(program: str) -> bool:
    """Return whether a program is there; netavark is not on the PATH."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/podman") is not None


def _unavailable(why: str) -> int:
    print(f"compose-test: {why}.", file=sys.stderr)
    return UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main())
