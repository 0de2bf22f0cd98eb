"""Intake alone: applications a second from a backlog, compared with the raw checking of requests' signatures.

Also measures the cost of the key checks. Where keys are cheap to make, each application has its own, so that storing
keys is measured too.
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
from servicecert_pki.key_checks import KEY_CHECKS
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.kafka.lag import members

from bench import load
from bench.results import keep
from bench.stand import cpu_seconds, cpu_times, in_processes, measured_system, print_cpu_times, rate_of

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
"""By name: the keys' family, the number of workers, and their arguments. A worker uses one core; there are two."""


async def measure() -> None:
    """Measure everything of intake."""
    csrs = {family: await asyncio.to_thread(_requests, family, count) for family, count in KEYS.items()}
    raw = {family: sum(in_processes(os.cpu_count() or 1, _checks, some[:60])) for family, some in csrs.items()}
    milliseconds = _battery(csrs["rsa"])
    keep("key-battery-rsa2048", milliseconds, "ms", "limit in the mean", BATTERY_LIMIT)
    async with measured_system() as system:
        await system.stop_all()
        await publish(system.cluster, load.opening())
        for name, (family, workers, arguments) in ALONE.items():
            speed = await _alone(system, csrs[family], workers, arguments)
            keep(name, speed, "per second", "raw checks of a request's signature, on all cores", raw[family])


def _requests(family: str, count: int) -> list[str]:
    """Return requests, each with its own key."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    keys = (
        rsa.generate_private_key(65_537, 2048) if family == "rsa" else ec.generate_private_key(ec.SECP384R1())
        for _ in range(count)
    )
    return [builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode() for key in keys]


def _checks(csrs: Sequence[str]) -> float:
    """Return the requests a second that are parsed and whose signature is verified."""
    encoded = cycle(csr.encode() for csr in csrs)
    return rate_of(lambda: x509.load_pem_x509_csr(next(encoded)).is_signature_valid)


def _battery(csrs: Sequence[str]) -> float:
    """Return the mean processor time of one key's checks, in milliseconds."""
    keys = [x509.load_pem_x509_csr(csr.encode()).public_key() for csr in csrs]
    rsa_keys = [key for key in keys if isinstance(key, rsa.RSAPublicKey)]
    KEY_CHECKS(rsa_keys[0])
    started = thread_time()
    for key in rsa_keys:
        assert KEY_CHECKS(key) == ()
    return (thread_time() - started) / len(rsa_keys) * 1000


async def _alone(system: System, csrs: list[str], workers: int, arguments: Sequence[str]) -> float:
    """Return the applications a second that workers accept once all read; print the processor time of each."""
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
        before, accepted, since = cpu_seconds(system), len(watch.seen_at), perf_counter()
        await watch.until(COUNT, PATIENCE)
        print_cpu_times(cpu_times(before, cpu_seconds(system), COUNT - accepted), "an application")
        await system.stop_all()
        return (COUNT - accepted) / (max(watch.seen_at.values()) - since)


async def _all_read(system: System, workers: int) -> None:
    """Wait until each worker has partitions."""
    group = system.cluster.group("intake")
    async with kafka.admin(system.cluster) as admin, asyncio.timeout(PATIENCE):
        while len([each for each in await members(admin, group) if each]) < workers:  # noqa: ASYNC110  -- Kafka's state
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(measure())
