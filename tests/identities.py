"""The services' own keys for tests, and records as their writers sign them (F2)."""

from collections.abc import Sequence
from pathlib import Path

from servicecert_schemas.codec import Record
from servicecert_schemas.topics import BY_NAME, SERVICES
from servicecert_worker.service_keys import make_keys, read_key, read_public_keys
from servicecert_worker.signatures import Signer, Verifier


class Identities:
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

    def signed(self, record: Record) -> Record:
        """Return a record as its writer publishes it: signed, if that is one of the services."""
        signers = BY_NAME[record.topic].signers(dict(record.headers)["ce_type"].decode())
        return self.signer(signers[0]).signed(record) if signers else record
