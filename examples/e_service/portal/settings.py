"""What the e-service is told by its environment."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from faststream.security import BaseSecurity, SASLScram512


@dataclass(frozen=True)
class Settings:
    """The addresses, files and limits. `transport` replaces the network towards the provider in tests."""

    base_url: str
    folder: Path
    code_service: Path
    provider: str
    client_id: str
    client_secret: str
    bootstrap_servers: str = ""
    security: BaseSecurity | None = None
    service_keys: Path | None = None
    ca_certificates: Path | None = None
    examples: Path | None = None
    logins_per_minute: int = 20
    idle_minutes: int = 30
    transport: Any = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables of `var/up/environment`, and those of the e-service itself. Raises KeyError."""
        names = ("SERVICECERT_SERVICE_KEYS", "PORTAL_CA_CERTIFICATES", "PORTAL_EXAMPLES")
        folders = [environment.get(name) for name in names]
        keys, authorities, examples = (Path(folder) if folder else None for folder in folders)
        return cls(
            base_url=environment["PORTAL_URL"].rstrip("/"),
            folder=Path(environment["PORTAL_FOLDER"]),
            code_service=Path(environment["PORTAL_CODE_SERVICE"]),
            provider=environment["PORTAL_PROVIDER"].rstrip("/"),
            client_id=environment["PORTAL_CLIENT_ID"],
            client_secret=environment["PORTAL_CLIENT_SECRET"],
            bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"],
            security=_security(environment),
            service_keys=keys,
            ca_certificates=authorities,
            examples=examples,
        )

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")


def _security(environment: Mapping[str, str]) -> BaseSecurity | None:
    """Return how the broker is logged in at: by a password or a client certificate, over TLS; None in plain text."""
    protocol = environment.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
    if protocol == "PLAINTEXT":
        return None
    context = ssl.create_default_context(cafile=environment.get("KAFKA_CA_FILE"))
    if protocol == "SSL":
        context.load_cert_chain(environment["KAFKA_CERTIFICATE_FILE"], environment["KAFKA_KEY_FILE"])
        return BaseSecurity(ssl_context=context, use_ssl=True)
    password = Path(environment["KAFKA_SASL_PASSWORD_FILE"]).read_text().strip()
    return SASLScram512(environment["KAFKA_SASL_USERNAME"], password, ssl_context=context, use_ssl=True)
