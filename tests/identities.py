"""The services' own keys for tests, and records as their writers sign them (F2)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import SERVICES, TOPICS
from servicecert_worker.core.service_keys import TrustedKey, key_id, make_keys, read_key, read_public_keys
from servicecert_worker.core.signatures import Signer, Verifier


class Writers(ABC):
    """The services as writers of events."""

    @abstractmethod
    def signer(self, service: str) -> Signer:
        """Return what signs a service's events."""

    def signed(self, record: Record) -> Record:
        """Return a record as its topic's writer publishes it: signed in its name, if that is one of the services."""
        signers = TOPICS[record.topic].signers(dict(record.headers)["ce_type"].decode())
        if not signers:
            return record
        signer = self.signer(signers[0])
        headers = [(name, signer.source.encode() if name == "ce_source" else raw) for name, raw in record.headers]
        return signer.signed(replace(record, headers=headers))


class Identities(Writers):
    """Keys in a folder; made if it does not exist."""

    def __init__(self, folder: Path, services: Sequence[str] = SERVICES) -> None:
        self.folder = folder
        if not folder.exists():
            make_keys(folder, services)

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment variables of a service."""
        return {
            "SERVICECERT_SERVICE_KEYS": str(self.folder),
            "SERVICECERT_SERVICE_KEY_FILE": str(self.folder / f"{service}.key"),
        }

    def signer(self, service: str) -> Signer:
        return Signer(service, read_key(self.folder / f"{service}.key"))

    def verifier(self, prefix: str = "") -> Verifier:
        return Verifier(read_public_keys(self.folder), prefix)


class InMemory(Writers):
    """Keys without files, for tests that read no settings."""

    def __init__(self, prefix: str = "") -> None:
        keys = {service: Ed25519PrivateKey.generate() for service in SERVICES}
        self._signers = {service: Signer(service, key) for service, key in keys.items()}
        public = {service: key.public_key() for service, key in keys.items()}
        self.verifier = Verifier(
            {key_id(key): TrustedKey(key, frozenset({service})) for service, key in public.items()}, prefix
        )

    def signer(self, service: str) -> Signer:
        return self._signers[service]


def any_signer(service: str) -> Signer:
    """Return a signer with a key that nobody pins, for tests whose events no service reads."""
    return Signer(service, Ed25519PrivateKey.generate())
