"""Intake alone: applications a second of its workers from a backlog, beside the raw rate of checking their requests' signatures, and what the checks of
keys cost. Each application has a key of its own where keys are cheap to make, so that what is kept of keys is measured too.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter, thread_time

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.stand.system import System
from servicecert_pki.key_checks import weaknesses
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.kafka.lag import members

from bench import load
from bench.results import Measurement, Reference
from bench.stand import cpu_seconds, measured_system

COUNT = 8_000
KEYS = {"ec": COUNT, "rsa": 60}
RAW_SECONDS = 3.0
BATTERY_LIMIT = 1.0
PATIENCE = 300.0
ALONE: Mapping[str, tuple[str, int, tuple[str, ...]]] = {
    "intake-ec": ("ec", 2, ()),
    "intake-ec-one-worker": ("ec", 1, ()),
    "intake-rsa2048": ("rsa", 2, ()),
    "intake-rsa2048-no-battery": ("rsa", 2, ("--no-battery",)),
}
"""By name: the family of the keys, how many workers, and what they are told. One that signs nothing uses one core: two are the machine's."""


async def measure() -> None:
    """Measures everything of intake."""
    csrs = {family: await asyncio.to_thread(_requests, family, count) for family, count in KEYS.items()}
    raw = {family: _raw_rate(made[:60]) for family, made in csrs.items()}
    milliseconds = _battery(csrs["rsa"])
    Measurement("key-battery-rsa2048", milliseconds, "ms", Reference("limit in the mean", BATTERY_LIMIT)).keep()
    async with measured_system() as system:
        await system.stop_all()
        await publish(system.cluster, load.opening())
        for name, (family, workers, arguments) in ALONE.items():
            speed, spent = await _alone(system, csrs[family], workers, arguments)
            reference = Reference("raw checks of a request's signature, on all cores", raw[family])
            Measurement(name, speed, "per second", reference).keep()
            print(
                f"  processor ms an application: {', '.join(f'{part} {ms:.2f}' for part, ms in spent.items())}",
                flush=True,
            )


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


async def _alone(
    system: System, csrs: list[str], workers: int, arguments: Sequence[str]
) -> tuple[float, dict[str, float]]:
    """Applications a second that workers accept of a backlog, once all of them read, and the processor time for each in ms, by part."""
    records = load.records(COUNT, csrs)
    async with (
        kafka.producer(system.cluster) as producer,
        load.watching(system.cluster, ACCEPTED_APPLICATIONS) as watch,
    ):
        await send(producer, system.cluster, records)
        environment = {**os.environ, **system.environment("intake")}
        command = (sys.executable, "-m", "bench.intake_worker", *arguments)
        with system.log("intake").open("ab") as log:
            started = [
                await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
                for _ in range(workers)
            ]
        try:
            await watch.until(1, PATIENCE)
            await _all_read(system, workers)
            before, begun, since = _used(system, started), len(watch.came), perf_counter()
            await watch.until(COUNT, PATIENCE)
            after = _used(system, started)
        finally:
            for worker in started:
                worker.terminate()
            for worker in started:
                await worker.wait()
    done = COUNT - begun
    return done / (max(watch.came.values()) - since), {
        part: (after[part] - before[part]) / done * 1000 for part in after
    }


async def _all_read(system: System, workers: int) -> None:
    """Waits until each worker has partitions of its own."""
    async with kafka.admin(system.cluster) as admin, asyncio.timeout(PATIENCE):
        while len([each for each in await members(admin, system.cluster.group("intake")) if each]) < workers:  # noqa: ASYNC110  -- it is Kafka's
            await asyncio.sleep(0.05)


def _used(system: System, workers: Sequence[asyncio.subprocess.Process]) -> dict[str, float]:
    times = [psutil.Process(worker.pid).cpu_times() for worker in workers]
    return {**cpu_seconds(system), "intake": sum(each.user + each.system for each in times)}


if __name__ == "__main__":
    asyncio.run(measure())
