"""Fuzzes one target for some seconds: `python -m fuzz.hunt TARGET SECONDS FOLDER`."""

import sys
from base64 import b64decode
from hashlib import sha1
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["servicecert_pki", "servicecert_schemas"]):
    from fuzz.targets import CORPUS, TARGETS, run

_LONGEST = 20_000
_LIMIT_SECONDS = 10
"""Ends inputs that hang; the target itself detects slow ones."""


def main(name: str, seconds: str, folder: Path) -> None:
    target = TARGETS[name]
    inputs, found = folder / "inputs", folder / "found"
    for each in (inputs, found):
        each.mkdir(parents=True, exist_ok=True)
    kept = CORPUS / f"{name}.b64"
    kept_inputs = [b64decode(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    for seed in (*target.seeds(), *kept_inputs):
        (inputs / sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={_LIMIT_SECONDS}",
        f"-max_len={_LONGEST}",
        f"-artifact_prefix={found}/",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(inputs)], lambda data: run(target.read, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
