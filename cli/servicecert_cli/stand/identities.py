"""TLS of a system on this machine, and the broker's users: each service, responder and command is its own (F4)."""

import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from servicecert_launcher import DatabaseTls, Parts, Secured
from servicecert_schemas.principals import Principal
from servicecert_worker.core.access import KafkaAccess, SecurityProtocol
from servicecert_worker.core.broker_acls import acls
from servicecert_worker.kafka.cluster import Cluster

from ..admin import rights
from ..operations.broker_identities import ADMINISTRATOR, BROKER, Identity, TrialCa
from ..operations.files import write_private

BY_CERTIFICATE = frozenset({ADMINISTRATOR, Principal.ISSUER, Principal.REVOKER, Principal.OCSP_RESPONDER})
"""Who logs in by a certificate; the others do by a password, so that every run uses both ways."""
_HOST = "127.0.0.1"
_ENTROPY_BYTES = 24


@dataclass(frozen=True)
class Identities:
    """A folder with a CA's certificate, and with each user's password, or certificate and key.

    `broker` and `database` are what the servers are started with.
    """

    folder: Path
    broker: Secured
    database: DatabaseTls

    @classmethod
    def make(cls, folder: Path) -> "Identities":
        """Fill the folder. Raises UserError."""
        folder = folder.absolute()
        folder.mkdir(mode=0o700, parents=True)
        ca = TrialCa()
        own, database = ca.issue(BROKER, [_HOST]), ca.issue("database", [_HOST])
        write_private(folder / "ca.pem", ca.certificate.encode())
        for name in (ADMINISTRATOR, *Principal):
            if name in BY_CERTIFICATE:
                _write(folder, name, ca.issue(name))
            else:
                write_private(folder / f"{name}.password", f"{secrets.token_urlsafe(_ENTROPY_BYTES)}\n".encode())
        return cls(
            folder,
            Secured(own.certificate, own.key, ca.certificate, (BROKER, ADMINISTRATOR)),
            DatabaseTls(database.certificate, database.key, ca.certificate),
        )

    @cached_property
    def _passwords(self) -> dict[str, str]:
        files = {name: self.folder / f"{name}.password" for name in Principal if name not in BY_CERTIFICATE}
        return {name: file.read_text().strip() for name, file in files.items()}

    def access(self, name: str) -> KafkaAccess:
        """Return how a user reaches the broker."""
        ca = self.folder / "ca.pem"
        if name in BY_CERTIFICATE:
            return KafkaAccess(
                security_protocol=SecurityProtocol.SSL,
                kafka_ca_file=ca,
                certificate_file=self.folder / f"{name}.pem",
                key_file=self.folder / f"{name}.key",
            )
        return KafkaAccess(
            security_protocol=SecurityProtocol.SASL_SSL,
            kafka_ca_file=ca,
            sasl_username=str(name),
            sasl_password_file=self.folder / f"{name}.password",
        )

    def cluster(self, parts: Parts, name: str, prefix: str = "") -> Cluster:
        """Return the cluster as a user reaches it."""
        assert parts.kafka is not None
        address = parts.kafka.certificates_bootstrap if name in BY_CERTIFICATE else parts.kafka.bootstrap
        return Cluster(address, prefix, self.access(name))

    async def register(self, parts: Parts, prefix: str = "") -> None:
        """Tell the broker the passwords and the rights. May be done again, for another prefix. Raises OperatorError."""
        administrator = self.cluster(parts, ADMINISTRATOR)
        await rights.set_passwords(administrator, self._passwords)
        await rights.apply(administrator, acls(prefix=prefix))


def _write(folder: Path, name: str, identity: Identity) -> None:
    write_private(folder / f"{name}.pem", identity.certificate.encode())
    write_private(folder / f"{name}.key", identity.key.encode())
