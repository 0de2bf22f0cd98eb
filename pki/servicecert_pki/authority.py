"""The authority's CAs in a directory: certificates and manifest that anyone may read, and the keys beside them.

AuthorityRefused
├── AuthorityMissing    the directory holds no CA, or not the one asked for
├── AuthorityExists     a CA would be overwritten
└── AuthorityDamaged    the manifest, the certificates and the keys do not belong together

authority.json                      which CA is for what, and the files below by name
roots/production-root-rsa.pem …     certificates
issuing/production-rsa.pem …
keys/production-rsa.pem …           encrypted PKCS#8, mode 0600
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import KeyUnavailable, SigningKey, open_key
from servicecert_pki.profiles import Environment
from servicecert_pki.spki import KeyFamily

MANIFEST = "authority.json"
MANIFEST_VERSION = 1


class AuthorityRefused(Exception):
    """The message is one sentence that names the directory and the way out."""


class AuthorityMissing(AuthorityRefused):
    """No CA was ever initialised here, or it has no issuing CA of that kind."""


class AuthorityExists(AuthorityRefused):
    """A CA is there already, and nothing overwrites it."""


class AuthorityDamaged(AuthorityRefused):
    """What is in the directory does not belong together."""


def issuer_id(environment: Environment, family: KeyFamily) -> str:
    """Return the name of an issuing CA and of its files, for instance ``test-ec``."""
    return f"{environment}-{family}"


def root_id(environment: Environment, family: KeyFamily) -> str:
    """Return the name of a root CA and of its files, for instance ``test-root-ec``."""
    return f"{environment}-root-{family}"


@dataclass(frozen=True)
class Authority:
    """The public part of all issuing CAs; keys are opened one by one with their passphrase."""

    directory: Path
    issuers: Mapping[str, IssuerInfo]

    @classmethod
    def load(cls, directory: Path) -> "Authority":
        """Read the manifest and the certificates, no key; raises AuthorityMissing or AuthorityDamaged."""
        try:
            manifest = json.loads((directory / MANIFEST).read_bytes())
        except FileNotFoundError:
            raise AuthorityMissing(
                f"There is no CA in {directory}: create one with `servicecert ca init`, or name its directory."
            ) from None
        except (OSError, ValueError) as fault:
            raise AuthorityDamaged(f"The manifest of the CA in {directory} cannot be read ({fault}).") from None
        try:
            if manifest["version"] != MANIFEST_VERSION:
                raise ValueError(f"version {manifest['version']} is unknown")
            issuers = [_issuer(directory, entry) for entry in manifest["issuing"]]
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise AuthorityDamaged(f"The CA in {directory} is damaged: {fault}.") from None
        return cls(directory, {issuer.id: issuer for issuer in issuers})

    def issuer(self, id: str) -> IssuerInfo:
        """Return an issuing CA by its name; raises AuthorityMissing."""
        try:
            return self.issuers[id]
        except KeyError:
            raise AuthorityMissing(f"The CA in {self.directory} has no issuing CA {id}.") from None

    def issuer_for(self, environment: Environment, family: KeyFamily) -> IssuerInfo:
        """Return the issuing CA for keys of `family`; raises AuthorityMissing."""
        return self.issuer(issuer_id(environment, family))

    def open_key(self, id: str, passphrase: bytes) -> SigningKey:
        """Open an issuing CA's key, which takes a while: keep it. Raises KeyUnavailable or AuthorityMissing."""
        issuer = self.issuer(id)
        key = open_key(self.directory / "keys" / f"{id}.pem", passphrase)
        if key.public_key() != issuer.public_key:
            raise KeyUnavailable(f"The key file of {id} in {self.directory} belongs to another certificate.")
        return key


def _issuer(directory: Path, entry: Mapping[str, str]) -> IssuerInfo:
    """Read one issuing CA and check that its root signed it and that it is what the manifest says."""
    certificate = _certificate(directory / entry["certificate"])
    root = _certificate(directory / entry["root"])
    try:
        certificate.verify_directly_issued_by(root)
    except Exception as fault:
        raise ValueError(f"{entry['certificate']} is not signed by {entry['root']}") from fault
    issuer = IssuerInfo.of(entry["id"], Environment(entry["environment"]), certificate, root)
    if issuer.id != issuer_id(issuer.environment, issuer.family):
        raise ValueError(f"{entry['certificate']} holds an {issuer.family} key, which is not {issuer.id}'s")
    return issuer


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
