"""What each peer gets: requests, and a CA in files; what is known of it; how its speed is measured."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psycopg
from cryptography import x509
from servicecert_deploy import Postgres

from bench.stand import processor_seconds

_CA_KEYS = {
    "ec": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"),
    "rsa": ("-newkey", "rsa:4096", "-sha512"),
}


class Absent(Exception):
    """A peer cannot be installed here; the text says why."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Certificates per second, and processor milliseconds for each, in all processes that issue and record them."""

    per_second: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """So many certificates for these requests, and before them some to warm up, by a CA of a family, in files."""

    family: str
    csrs: Sequence[str]
    count: int
    ca_certificate: Path
    ca_key: Path

    @property
    def warm_up(self) -> int:
        return max(20, self.count // 10)

    def csr(self, number: int) -> str:
        return self.csrs[number % len(self.csrs)]

    def verify(self, number: int, pem: str) -> None:
        """Raise unless the CA signed this certificate for that request's key and the host name of that number."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(self.ca_certificate.read_bytes()))
        assert certificate.public_key() == x509.load_pem_x509_csr(self.csr(number).encode()).public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [host(number)]


@dataclass(frozen=True, slots=True)
class Habits:
    """What it does for a certificate: an entry for each column of the table."""

    checks: str
    lints: str
    recorded_before: str
    audited: str
    delivered: str


@dataclass(frozen=True, slots=True)
class Peer:
    """`measure` installs it, issues the work's certificates and verifies one. Raises Absent."""

    name: str
    slug: str
    habits: Habits
    measure: Callable[[Work], Speed]


def host(number: int) -> str:
    """Return the host name of a certificate."""
    return f"n{number}.bench.example"


def make_ca(family: str, folder: Path) -> tuple[Path, Path]:
    """Return the files of a new CA's certificate and key: P-384 for `ec`, RSA 4096 for `rsa`."""
    certificate, key = folder / f"{family}-ca.pem", folder / f"{family}-ca.key"
    files = ("-keyout", str(key), "-out", str(certificate))
    usage = ("-subj", "/C=FI/O=Bench/CN=Peers", "-days", "3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    command = ["openssl", "req", "-x509", "-nodes", *_CA_KEYS[family], *files, *usage]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@contextmanager
def database() -> Iterator[Postgres]:
    """Run an empty database server, with the settings of the measured system's."""
    postgres = Postgres()
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()


def rows(postgres: Postgres, table: str) -> int:
    """Return how many rows a table has."""
    with psycopg.connect(postgres.url) as connection:
        [(count,)] = connection.execute(f"select count(*) from {table}".encode())
    return int(count)


class Meter:
    """Measures these processes and their descendants, from now on."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._used, self._started = self._processor_seconds(), perf_counter()

    def speed(self, count: int) -> Speed:
        """Return the speed of `count` certificates."""
        seconds = perf_counter() - self._started
        return Speed(count / seconds, (self._processor_seconds() - self._used) / count * 1000)

    def _processor_seconds(self) -> float:
        return sum(map(processor_seconds, self._pids))
