"""The issuer alone, from accepted applications in the topic to published certificates, compared with raw signing."""

import asyncio
import os
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.stand.system import System, service_of
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import access, open_keys
from servicecert_pki.manifest import issuer_id
from servicecert_pki.profile import Environment
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.certificate import ApplicationAccepted, Recipient, RecipientRole, ServerNames, Subject
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.topics import CERTIFICATES
from servicecert_schemas.values import CertificateType, Language, Usage
from servicecert_worker.service_keys import read_key
from servicecert_worker.signatures import Signer

from bench import load, raw_signing
from bench.results import keep
from bench.stand import all_reach, cpu_seconds, cpu_times, frozen, in_processes, print_cpu_times, rate_of

CA_KEYS = {"ec": "p384", "rsa": "rsa4096"}
BACKLOG = {"ec": 8_000, "rsa": 4_000}
WARM_UP = 800
PATIENCE = 300.0
_SESSION_SECONDS = "60"
"""How long an issuer may be frozen, while its backlog is sent, before Kafka drops it from the group."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of the issuer: where the keys are, which certificates pkilint checks, the number of workers."""

    name: str = ""
    token: bool = False
    lint: str = "shape"
    workers: int = 1


VARIANTS = (
    Variant(),
    Variant("-lint-every", lint="every"),
    Variant("-two-workers", workers=2),
    Variant("-softhsm", token=True),
    Variant("-softhsm-two-workers", token=True, workers=2),
)


async def measure(share: float = 1.0) -> None:
    """Measure every variant with both kinds of keys; a `share` below 1 shortens the backlog for a trial."""
    with tempfile.TemporaryDirectory() as folder:
        csrs = {family: await load.requests(family, Path(folder)) for family in CA_KEYS}
    raw = {family: raw_signing.rate(family) for family in CA_KEYS}
    for variant in VARIANTS:
        async with issuing(variant) as system:
            for family, key in CA_KEYS.items():
                against, reference = f"raw {key} signing", raw[family]
                if variant.token:
                    against, reference = f"{against} in SoftHSM", await _token_rate(system, family)
                await backlog(system, csrs[family], max(1, int(WARM_UP * share)))
                used, count = cpu_seconds(system), max(1, int(BACKLOG[family] * share))
                speed = await backlog(system, csrs[family], count)
                keep(f"issuer-{key}{variant.name}", speed, "per second", against, reference)
                print_cpu_times(cpu_times(used, cpu_seconds(system), count), "a certificate")


@asynccontextmanager
async def issuing(variant: Variant) -> AsyncIterator[System]:
    """Run a system of issuers only."""
    with tempfile.TemporaryDirectory(prefix="servicecert-bench-") as folder:
        environment = {"SERVICECERT_LINT": variant.lint, "SERVICECERT_SESSION_SECONDS": _SESSION_SECONDS}
        async with System(
            Path(folder), workers=variant.workers, token=variant.token, environment=environment
        ) as system:
            for name in [name for name in system.children if service_of(name) != "issuer"]:
                await asyncio.to_thread(system.children.pop(name).kill)
            # Each must read its part of the topic.
            await all_reach(
                system, system.children, lambda each: each.get("servicecert_assigned_partitions", 0) > 0, PATIENCE
            )
            yield system


async def backlog(system: System, csrs: list[str], count: int) -> float:
    """Return the certificates a second, from the moment at which the issuers can read the whole backlog."""
    intake = Signer("intake", read_key(system.keys_folder / "intake.key"))
    records = [intake.signed(record) for record in _accepted(count, csrs)]
    async with kafka.producer(system.cluster) as producer, load.watching(system.cluster, CERTIFICATES) as watch:
        with frozen(system.children.values()):
            await send(producer, system.cluster, records)
            started = perf_counter()
        await watch.until(count, PATIENCE)
        return count / (max(watch.seen_at.values()) - started)


def _accepted(count: int, csrs: list[str]) -> list[Record]:
    """Return accepted applications of `count` cases, for a server certificate each."""
    requests = [b64encode(x509.load_pem_x509_csr(csr.encode()).public_bytes(Encoding.DER)).decode() for csr in csrs]
    now = datetime.now(UTC)
    return [
        to_record(
            ApplicationAccepted(
                case_id=uuid4(),
                account_id="account-1",
                decision_id=uuid4(),
                type=CertificateType.TEST_SERVER,
                subject=Subject(
                    organisation="Esimerkkiapteekki Oy",
                    organisational_unit="Helsingin VI apteekki",
                    business_id="0204819-8",
                    common_name="kanta.bench.fi",
                ),
                names=ServerNames(dns=("kanta.bench.fi", f"n{number}.bench.fi")),
                usages=(Usage.SERVER_AUTH, Usage.CLIENT_AUTH),
                csr=requests[number % len(requests)],
                due=now + timedelta(days=7),
                language=Language.SWEDISH,
                recipients=(Recipient(role=RecipientRole.ORDERER, email="a@bench.example"),),
            ),
            source="/intake",
            id=uuid4(),
            time=now,
        )
        for number in range(count)
    ]


async def _token_rate(system: System, family: str) -> float:
    """Return the token's signatures a second, with a process for each core."""
    work = _sign_in_token, system.environment("issuer"), family
    rates: list[float] = await asyncio.to_thread(in_processes, os.cpu_count() or 1, *work)
    return sum(rates)


def _sign_in_token(environment: dict[str, str], family: str) -> float:
    os.environ.update(environment)
    authority = Authority.load(Path(environment["SERVICECERT_CA_DIR"]))
    named = (
        environment.get(f"SERVICECERT_{name}") for name in ("CA_PASSPHRASE_FILE", "PKCS11_MODULE", "PKCS11_PIN_FILE")
    )
    keys = open_keys(authority, *access(*(Path(path) if path else None for path in named)))
    key = keys[issuer_id(Environment.TEST, KeyFamily(family))]
    return rate_of(lambda: key.sign(raw_signing.TO_BE_SIGNED))
