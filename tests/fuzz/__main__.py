"""`make fuzz SECONDS=…`: coverage-guided fuzzing of the parsers of requests and events, and of the redaction.

Inputs that crash, hang or need too much memory are stored in `var/fuzz/<target>/found`; the exit code is 1 then.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

from fuzz.targets import TARGETS

FOLDER = Path("var") / "fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=60)
    seconds: int = parser.parse_args().seconds
    faulty = False
    for name, target in TARGETS.items():
        folder = FOLDER / name
        begun, share = monotonic(), max(1, round(seconds * target.share))
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "fuzz.hunt", name, str(share), str(folder)]
            code = subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"PYTHONHASHSEED": "0"}).returncode
        stats = dict(
            line.split("::", 1)[1].split(": ", 1) for line in _lines(folder / "log") if line.startswith("stat::")
        )
        runs = stats.get("number_of_executed_units", "?").strip()
        inputs = len(list((folder / "inputs").iterdir())) if (folder / "inputs").exists() else 0
        found = sorted((folder / "found").iterdir()) if (folder / "found").exists() else []
        print(f"{name}: {runs} runs in {monotonic() - begun:.0f} s, {inputs} inputs, {len(found)} found", flush=True)
        for path in found:
            print(f"  {path}", flush=True)
        if code != 0:
            print(f"  ended with {code}; see {folder / 'log'}", flush=True)
        faulty = faulty or code != 0 or bool(found)
    return int(faulty)


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


if __name__ == "__main__":
    sys.exit(main())
