"""`make compose-test`: everything that docs/operations.md promises of Compose, looked at from outside."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from . import NOT_RUN
from .engine import Engine, Failed
from .images import CHECKOUT, prepare
from .run import Run


def main() -> int:
    parser = argparse.ArgumentParser(prog="containers", description="Run docker-compose.yml on podman.")
    folder = CHECKOUT / "var" / "containers"
    parser.add_argument("--folder", type=Path, default=folder, help="for images, kept for the next run")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("podman") is None or shutil.which("debootstrap") is None:
        print(
            "compose-test: run it as root, after `apt-get install podman runc debootstrap netavark aardvark-dns`.",
            file=sys.stderr,
        )
        return 69
    engine = Engine(arguments.folder.resolve())
    engine.configure()
    try:
        compose = prepare(engine)
        with engine.serving(), Run(engine, compose) as run:
            run.all()
    except (Failed, AssertionError) as fault:
        print(f"compose-test: {fault}", file=sys.stderr)
        return 1
    print("\nNot run here:", *(f"  {each}" for each in NOT_RUN), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
