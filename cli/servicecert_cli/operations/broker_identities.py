"""Certificates for a server and its users: a CA that issues them once and then forgets its key (F4).

For trials. An authority's own Kafka has a CA of its own, or Strimzi's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from servicecert_pki.ca_certificate import KEY_USAGE

ADMINISTRATOR = "administrator"
"""The user who may do everything: creates topics, users and rights."""
BROKER = "broker"
"""The broker's own name, as a client of itself."""

_NAME = "Service certificates: servers and their users"
_VALID = timedelta(days=825)
_SLACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its unencrypted key, in PEM."""

    certificate: str
    key: str


class TrialCa:
    """A CA of servers and their users. Its key is in this process only."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = ((x509.BasicConstraints(ca=True, path_length=0), True), (KEY_USAGE, True))
        self.certificate = self._sign(_NAME, self._key, own)
        """The CA's certificate in PEM."""

    def issue(self, name: str, hosts: Sequence[str] = ()) -> Identity:
        """Return a new key with a certificate for a user; `hosts` make it also a server's."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(ca=False, path_length=None), True)]
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            extensions.append((x509.SubjectAlternativeName([_host(each) for each in hosts]), False))
        certificate = self._sign(name, key, [*extensions, (x509.ExtendedKeyUsage(usages), False)])
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Identity(certificate, private.decode())

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, extensions: Sequence[tuple[x509.ExtensionType, bool]]
    ) -> str:
        now = datetime.now(UTC)
        own, issuers = (x509.SubjectKeyIdentifier.from_public_key(each.public_key()) for each in (key, self._key))
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(_NAME))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SLACK)
            .not_valid_after(now + _VALID)
            .add_extension(own, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuers), critical=False)
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
