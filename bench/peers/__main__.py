"""`make bench-peers`: certificates a second and their cost, by this system and by others, for the same requests.

What each does for a certificate, and what follows, is in docs/measurements.md.
"""

import argparse
import asyncio
import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from bench import load, raw
from bench.alone import PATIENT, carried
from bench.peers.measured import PEERS, Work, by_library, by_server
from bench.peers.servers import cfssl, step_ca
from bench.results import keep
from bench.stand import Measured, measured_system
from bench.whole_way import backlog

RSA_SHARE = 10
"""django-ca loads its key for each certificate, and to check an RSA 4096 key takes 0.2 s: it issues fewer of these."""

_CA_KEYS = {
    "ec": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"),
    "rsa": ("-newkey", "rsa:4096", "-sha512"),
}


def main(count: int) -> None:
    signing = {family: raw.signing(family) for family in raw.CA_KEYS}
    for family, key in raw.CA_KEYS.items():
        csrs = load.requests(family)
        measured = asyncio.run(_ours(csrs, count))
        with tempfile.TemporaryDirectory() as folder:
            work = Work(csrs, count, *_make_ca(family, Path(folder)))
            fewer = replace(work, count=count // RSA_SHARE) if family == "rsa" else work
            measured["django-ca"] = by_library(fewer)
            if (PEERS / "bin").exists():
                measured["cfssl"] = by_server(work, cfssl)
                measured["step-ca"] = by_server(work, step_ca)
        signature = (os.cpu_count() or 1) * 1000 / signing[family]
        for name, (rate, costs) in measured.items():
            keep(f"peers-{name}-{key}", rate, "per second", f"raw {key} signing", signing[family])
            keep(f"peers-{name}-{key}-cpu", sum(costs.values()), "ms", f"raw {key} signature", signature)


async def _ours(csrs: list[str], count: int) -> dict[str, Measured]:
    warm_up = max(20, count // 10)
    async with measured_system() as system:
        await backlog(system, load.records(warm_up, csrs))
        whole_way = await backlog(system, load.records(count, csrs))
    async with measured_system({"issuer": 2}, environment=PATIENT) as system:
        for each in (warm_up, count):
            alone = await carried(system, load.records(each, csrs), ("intake", "issuer"))
    return {"whole-way": whole_way, "issuer": alone["issuer"]}


def _make_ca(family: str, folder: Path) -> tuple[Path, Path]:
    """Return the files of a new CA's certificate and key: P-384 for `ec`, RSA 4096 for `rsa`."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    files = ("-keyout", str(key), "-out", str(certificate))
    usage = ("-subj", "/C=FI/O=Bench/CN=Peers", "-days", "3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    command = ["openssl", "req", "-x509", "-nodes", *_CA_KEYS[family], *files, *usage]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--count", type=int, default=4_000, help="certificates with each kind of CA key")
    main(parser.parse_args().count)
