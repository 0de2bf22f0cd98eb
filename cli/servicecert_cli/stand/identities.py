"""TLS of a system on this machine, and the broker's users: each service, responder and command is its own (F4)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from servicecert_launcher import DatabaseTls, Parts, Secured
from servicecert_schemas.broker import Principal
from servicecert_worker.core.access import KafkaAccess, SecurityProtocol
from servicecert_worker.core.broker_acls import acls
from servicecert_worker.kafka.cluster import Cluster

from ..admin import rights
from ..operations.broker_identities import ADMINISTRATOR, BROKER, TrialCa
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
    passwords: Mapping[str, str]

    @classmethod
    def make(cls, folder: Path) -> "Identities":
        """Fill the folder. Raises UserError."""
        folder = folder.absolute()
        folder.mkdir(mode=0o700, parents=True)
        ca = TrialCa()
        own, database = ca.issue(BROKER, [_HOST]), ca.issue("database", [_HOST])
        write_private(folder / "ca.pem", ca.certificate.encode())
        for name in BY_CERTIFICATE:
            identity = ca.issue(name)
            write_private(folder / f"{name}.pem", identity.certificate.encode())
            write_private(folder / f"{name}.key", identity.key.encode())
        by_password = [name for name in Principal if name not in BY_CERTIFICATE]
        passwords: dict[str, str] = {name: secrets.token_urlsafe(_ENTROPY_BYTES) for name in by_password}
        for name, password in passwords.items():
            write_private(folder / f"{name}.password", f"{password}\n".encode())
        return cls(
            folder,
            Secured(own.certificate, own.key, ca.certificate, (BROKER, ADMINISTRATOR)),
            DatabaseTls(database.certificate, database.key, ca.certificate),
            passwords,
        )

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
        assert parts.kafka is not None
        address = parts.kafka.certificates_bootstrap if name in BY_CERTIFICATE else parts.kafka.bootstrap
        return Cluster(address, prefix, self.access(name))

    async def register(self, parts: Parts, prefix: str = "") -> None:
        """Tell the broker the passwords and the rights. May be done again, for another prefix. Raises OperatorError."""
        administrator = self.cluster(parts, ADMINISTRATOR)
        await rights.set_passwords(administrator, self.passwords)
        await rights.apply(administrator, acls(prefix=prefix))
