"""Certificates for a server and its users: a CA that issues them once and then forgets its key (F4).

For trials. An authority's own Kafka has a CA of its own, or Strimzi's. The library `trustme` certifies each key for
servers, users and code at once, in a form that Kafka does not read.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from servicecert_pki.ca_certificate import KEY_USAGE, builder_of, key_usage

ADMINISTRATOR = "administrator"
"""The user who may do everything: creates topics, users and rights."""
BROKER = "broker"
"""The broker's own name, as a client of itself."""

_VALID = timedelta(days=825)
_SLACK = timedelta(hours=1)


class Identity(NamedTuple):
    """A certificate and its unencrypted key, in PEM."""

    certificate: str
    key: str


class TrialCa:
    """A CA of servers and their users. Its key is in this process only."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("Service certificates: servers and their users")
        self.certificate = self._signed(self._name, self._key.public_key(), is_ca=True)
        """The CA's certificate in PEM."""

    def issue(self, name: str, hosts: Sequence[str] = ()) -> Identity:
        """Return a new key with a certificate for a user; `hosts` make it also a server's."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        names = [x509.SubjectAlternativeName([_host(each) for each in hosts])] if hosts else []
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = self._signed(_named(name), key.public_key(), x509.ExtendedKeyUsage(usages), *names, is_ca=False)
        return Identity(certificate, private.decode())

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType, is_ca: bool
    ) -> str:
        now = datetime.now(UTC)
        usage = KEY_USAGE if is_ca else key_usage("digital_signature")
        builder = builder_of(key, name, now - _SLACK, now + _VALID, usage).issuer_name(self._name)
        constraints = x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None)
        builder = builder.add_extension(constraints, critical=True)
        for extension in (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), *extensions):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
