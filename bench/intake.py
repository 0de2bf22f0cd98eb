"""Intake alone: applications a second of its workers from a backlog, beside the raw rate of checking their requests' signatures, and what the checks of
keys cost. Each application has a key of its own where keys are cheap to make, so that what is kept of keys is measured too.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import cycle
from time import perf_counter, thread_time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.stand.system import System, worker_names
from servicecert_deploy import Child
from servicecert_pki.key_checks import weaknesses
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.kafka.lag import members

from bench import load
from bench.results import keep
from bench.stand import cpu_seconds, in_processes, measured_system, rate_of, say_where_time_goes

COUNT = 8_000
KEYS = {"ec": COUNT, "rsa": 60}
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
    raw = {family: sum(in_processes(os.cpu_count() or 1, _checks, made[:60])) for family, made in csrs.items()}
    milliseconds = _battery(csrs["rsa"])
    keep("key-battery-rsa2048", milliseconds, "ms", "limit in the mean", BATTERY_LIMIT)
    async with measured_system() as system:
        await system.stop_all()
        await publish(system.cluster, load.opening())
        for name, (family, workers, arguments) in ALONE.items():
            speed = await _alone(system, csrs[family], workers, arguments)
            keep(name, speed, "per second", "raw checks of a request's signature, on all cores", raw[family])


def _requests(family: str, count: int) -> list[str]:
    """Requests with a key of their own each."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    keys = (
        rsa.generate_private_key(65_537, 2048) if family == "rsa" else ec.generate_private_key(ec.SECP384R1())
        for _ in range(count)
    )
    return [builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode() for key in keys]


def _checks(csrs: Sequence[str]) -> float:
    """Parsed requests whose signature is verified, a second."""
    encoded = cycle(csr.encode() for csr in csrs)
    return rate_of(lambda: x509.load_pem_x509_csr(next(encoded)).is_signature_valid)


def _battery(csrs: Sequence[str]) -> float:
    """Milliseconds of processor time of the checks of one key, in the mean."""
    keys = [x509.load_pem_x509_csr(csr.encode()).public_key() for csr in csrs]
    rsa_keys = [key for key in keys if isinstance(key, rsa.RSAPublicKey)]
    weaknesses(rsa_keys[0])
    started = thread_time()
    for key in rsa_keys:
        assert weaknesses(key) == ()
    return (thread_time() - started) / len(rsa_keys) * 1000


async def _alone(system: System, csrs: list[str], workers: int, arguments: Sequence[str]) -> float:
    """Applications a second that workers accept of a backlog, once all of them read. Says the processor time for each."""
    async with (
        kafka.producer(system.cluster) as producer,
        load.watching(system.cluster, ACCEPTED_APPLICATIONS) as watch,
    ):
        await send(producer, system.cluster, load.records(COUNT, csrs))
        command = (sys.executable, "-m", "bench.intake_worker", *arguments)
        system.children = {
            name: Child(command, log=system.log(name), environment=system.environment(name))
            for name in worker_names("intake", workers)
        }
        await watch.until(1, PATIENCE)
        await _all_read(system, workers)
        before, begun, since = cpu_seconds(system), len(watch.came), perf_counter()
        await watch.until(COUNT, PATIENCE)
        say_where_time_goes(before, cpu_seconds(system), COUNT - begun, "an application")
        await system.stop_all()
        return (COUNT - begun) / (max(watch.came.values()) - since)


async def _all_read(system: System, workers: int) -> None:
    """Waits until each worker has partitions of its own."""
    async with kafka.admin(system.cluster) as admin, asyncio.timeout(PATIENCE):
        while len([each for each in await members(admin, system.cluster.group("intake")) if each]) < workers:  # noqa: ASYNC110  -- it is Kafka's
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(measure())
