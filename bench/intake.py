"""Intake alone: applications a second of one worker from a backlog, beside the raw rate of checking their requests' signatures, and what the checks of
keys cost. Each application has a key of its own where keys are cheap to make, so that what is kept of keys is measured too.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Sequence
from time import perf_counter, thread_time

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli import kafka
from servicecert_cli.publishing import publish, send
from servicecert_cli.system import System
from servicecert_pki.key_checks import weaknesses
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS

from bench import load
from bench.results import Measurement, Reference
from bench.stand import measured_system

COUNT = 6_000
KEYS = {"ec": COUNT, "rsa": 60}
RAW_SECONDS = 3.0
BATTERY_LIMIT = 1.0
PATIENCE = 300.0
ALONE = {
    "intake-ec": ("ec", ()),
    "intake-rsa2048": ("rsa", ()),
    "intake-rsa2048-no-battery": ("rsa", ("--no-battery",)),
}


async def measure() -> None:
    """Measures everything of intake."""
    csrs = {family: await asyncio.to_thread(_requests, family, count) for family, count in KEYS.items()}
    raw = {family: _raw_rate(made[:60]) for family, made in csrs.items()}
    milliseconds = _battery(csrs["rsa"])
    Measurement("key-battery-rsa2048", milliseconds, "ms", Reference("limit in the mean", BATTERY_LIMIT)).keep()
    async with measured_system() as system:
        await system.stop_all()
        await publish(system.cluster, load.opening())
        for name, (family, arguments) in ALONE.items():
            speed, spent = await _alone(system, csrs[family], arguments)
            reference = Reference("raw checks of a request's signature", raw[family])
            Measurement(name, speed, "per second", reference).keep()
            print(f"  processor ms an application: {spent:.2f} in intake", flush=True)


def _requests(family: str, count: int) -> list[str]:
    """Requests with a key of their own each."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    keys = (
        rsa.generate_private_key(65_537, 2048) if family == "rsa" else ec.generate_private_key(ec.SECP384R1())
        for _ in range(count)
    )
    return [builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode() for key in keys]


def _raw_rate(csrs: Sequence[str]) -> float:
    """Parsed requests whose signature is verified, a second, over all cores."""
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        return sum(pool.map(_check, [csrs] * cores))


def _check(csrs: Sequence[str]) -> float:
    encoded = [csr.encode() for csr in csrs]
    done, started = 0, perf_counter()
    while (passed := perf_counter() - started) < RAW_SECONDS:
        assert x509.load_pem_x509_csr(encoded[done % len(encoded)]).is_signature_valid
        done += 1
    return done / passed


def _battery(csrs: Sequence[str]) -> float:
    """Milliseconds of processor time of the checks of one key, in the mean."""
    keys = [x509.load_pem_x509_csr(csr.encode()).public_key() for csr in csrs]
    rsa_keys = [key for key in keys if isinstance(key, rsa.RSAPublicKey)]
    weaknesses(rsa_keys[0])
    started = thread_time()
    for key in rsa_keys:
        assert weaknesses(key) == ()
    return (thread_time() - started) / len(rsa_keys) * 1000


async def _alone(system: System, csrs: list[str], arguments: Sequence[str]) -> tuple[float, float]:
    """Applications a second that one worker accepts, from the first to the last of a backlog, and its processor time for each in ms."""
    records = load.records(COUNT, csrs)
    async with (
        kafka.producer(system.cluster) as producer,
        load.watching(system.cluster, ACCEPTED_APPLICATIONS) as watch,
    ):
        await send(producer, system.cluster, records)
        environment = {**os.environ, **system.environment("intake")}
        with system.log("intake").open("ab") as log:
            command = (sys.executable, "-m", "bench.intake_worker", *arguments)
            worker = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
        try:
            await watch.until(1, PATIENCE)
            before = _used(worker.pid)
            begun = len(watch.came)
            await watch.until(COUNT, PATIENCE)
            spent = _used(worker.pid) - before
        finally:
            worker.terminate()
            await worker.wait()
    return COUNT / (max(watch.came.values()) - min(watch.came.values())), spent / (COUNT - begun) * 1000


def _used(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    asyncio.run(measure())
