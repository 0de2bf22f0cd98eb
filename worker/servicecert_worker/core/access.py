"""How Kafka is reached: in plain text, or by TLS with a password or a client certificate (F4).

All our clients, of workers and of commands, use this.
"""

import os
import ssl
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, FilePath, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .secret_files import SecretUnreadable, read_secret, require_private


class SecurityProtocol(StrEnum):
    """Kafka's security protocols."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def is_encrypted(self) -> bool:
        return self in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @property
    def has_login(self) -> bool:
        return self in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)


class SaslMechanism(StrEnum):
    """The supported mechanisms of RFC 4616, RFC 5802 and RFC 7677."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class KafkaAccess(BaseSettings):
    """The settings, by environment variable (alias). Raises pydantic's `ValidationError`, which says what to do.

    What stands below a setting is its meaning in the reference. An empty variable counts as none, so that one process
    can undo what a file for all of them sets.
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore", env_ignore_empty=True)

    security_protocol: SecurityProtocol = Field(SecurityProtocol.PLAINTEXT, alias="KAFKA_SECURITY_PROTOCOL")
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"""
    kafka_ca_file: FilePath | None = Field(None, alias="KAFKA_CA_FILE")
    """the CAs that verify the brokers, in PEM; the system's without it"""
    sasl_mechanism: SaslMechanism = Field(SaslMechanism.SCRAM_SHA_512, alias="KAFKA_SASL_MECHANISM")
    """PLAIN (with SASL_SSL only), SCRAM-SHA-256 or SCRAM-SHA-512"""
    sasl_username: str | None = Field(None, alias="KAFKA_SASL_USERNAME", min_length=1)
    """for SASL: the user"""
    sasl_password_file: FilePath | None = Field(None, alias="KAFKA_SASL_PASSWORD_FILE")
    """for SASL: a file whose first line is the password"""
    certificate_file: FilePath | None = Field(None, alias="KAFKA_CERTIFICATE_FILE")
    """for mutual TLS: the client's certificate and its CAs, in PEM"""
    key_file: FilePath | None = Field(None, alias="KAFKA_KEY_FILE")
    """for mutual TLS: the key of that certificate, unencrypted, in PEM"""

    @model_validator(mode="after")
    def _is_whole_and_safe(self) -> Self:
        protocol = self.security_protocol
        if protocol.has_login != (self.sasl_username is not None and self.sasl_password_file is not None):
            raise ValueError(
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE go with "
                "KAFKA_SECURITY_PROTOCOL=SASL_SSL or SASL_PLAINTEXT: set all three, or none"
            )
        if self.kafka_ca_file is not None and not protocol.is_encrypted:
            raise ValueError("KAFKA_CA_FILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE go together: set both, or none")
        if self.key_file is not None and not protocol.is_encrypted:
            raise ValueError("KAFKA_KEY_FILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        if protocol is SecurityProtocol.SASL_PLAINTEXT and self.sasl_mechanism is SaslMechanism.PLAIN:
            raise ValueError(
                "KAFKA_SASL_MECHANISM=PLAIN needs KAFKA_SECURITY_PROTOCOL=SASL_SSL, "
                "so that the password is never sent unencrypted"
            )
        _ = self._secrets
        return self

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that say the same, without those that have their default."""
        fields = type(self).model_fields
        return {
            str(fields[name].alias): str(getattr(self, name))
            for name in KafkaAccess.model_fields
            if getattr(self, name) != fields[name].default
        }

    @property
    def who(self) -> str:
        """As whom the broker is reached, for a sentence."""
        if self.sasl_username is not None:
            return f"the user {self.sasl_username!r}"
        return "whom KAFKA_CERTIFICATE_FILE names" if self.certificate_file is not None else "a user without a login"

    def to(self, bootstrap_servers: str) -> dict[str, Any]:
        """Return the options of aiokafka's clients for these brokers."""
        return {
            "bootstrap_servers": bootstrap_servers,
            "security_protocol": self.security_protocol.value,
            **self._secrets,
        }

    @cached_property
    def _secrets(self) -> dict[str, Any]:
        """The TLS and login options, read once: a changed password or CA is read at the next start."""
        options: dict[str, Any] = {}
        if self.security_protocol.is_encrypted:
            try:
                options["ssl_context"] = ssl.create_default_context(cafile=self.kafka_ca_file)
            except (OSError, ssl.SSLError):
                raise ValueError("KAFKA_CA_FILE cannot be read, or holds no certificate in PEM") from None
            if self.certificate_file is not None and self.key_file is not None:
                _load(options["ssl_context"], self.certificate_file, self.key_file)
        if self.sasl_password_file is not None:
            options["sasl_mechanism"] = self.sasl_mechanism.value
            options["sasl_plain_username"] = self.sasl_username
            try:
                options["sasl_plain_password"] = read_secret(self.sasl_password_file)
            except SecretUnreadable as fault:
                raise ValueError(f"KAFKA_SASL_PASSWORD_FILE: {fault}") from None
        return options


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load the client's certificate. An encrypted key is refused: OpenSSL would ask a terminal for its passphrase."""
    try:
        require_private(key)
    except SecretUnreadable as fault:
        raise ValueError(f"KAFKA_KEY_FILE: {fault}") from None
    try:
        context.load_cert_chain(certificate, key, password=b"")
    except (OSError, ssl.SSLError):
        raise ValueError(
            "KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE cannot be read, or are no certificate and its unencrypted key"
        ) from None


def over_tls() -> bool:
    """Return whether the environment sets TLS. We use asyncio's event loop then: under uvloop a closed TLS connection
    can keep the loop from ending until the broker drops it, after 10 minutes.
    """
    return os.environ.get("KAFKA_SECURITY_PROTOCOL", "").upper().endswith("SSL")


PLAINTEXT_ACCESS: KafkaAccess = KafkaAccess.model_construct()
"""Without TLS and without a login, whatever the environment says."""
