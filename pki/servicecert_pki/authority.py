"""The authority's CAs in a directory: certificates and manifest that anyone may read.

AuthorityRefused
├── AuthorityMissing    the directory holds no CA, or not the one asked for
├── AuthorityExists     a CA would be overwritten
└── AuthorityDamaged    the manifest, the certificates and the keys do not belong together

authority.json                      which CA is for what, where its key is, from when it issues: `manifest`
roots/production-root-rsa.pem …     certificates
issuing/production-rsa.pem …
keys/production-rsa.pem …           encrypted PKCS#8, mode 0600; nothing here where keys live in a token
requests/production-rsa.csr …       requests to the roots
crls/production-root-rsa.crl …      the roots' CRLs, which ceremonies make
protocols/…                         what each ceremony did

The roots' keys are never here: `ceremony` keeps them in a folder of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from .issuer import IssuerInfo
from .manifest import MANIFEST, Entry, KeyPlace, active, issuer_id, kind_of, read_manifest, root_id
from .profile import Environment
from .spki import KeyFamily


class AuthorityRefused(Exception):
    """The message is one sentence that names the directory and the way out. `exit_code` follows sysexits.h."""

    exit_code = 65


class AuthorityMissing(AuthorityRefused):
    """No CA was ever initialised here, or it has no issuing CA of that kind."""

    exit_code = 78


class AuthorityExists(AuthorityRefused):
    """A CA is there already, and nothing overwrites it."""

    exit_code = 73


class AuthorityDamaged(AuthorityRefused):
    """What is in the directory does not belong together."""


@dataclass(frozen=True)
class Authority:
    """The public part of all issuing CAs, of every generation.

    `places` says where each one's key is, `active_from` from when each one issues: None of one that waits for its date.
    """

    directory: Path
    issuers: Mapping[str, IssuerInfo]
    places: Mapping[str, KeyPlace]
    active_from: Mapping[str, datetime | None]

    @classmethod
    def load(cls, directory: Path) -> "Authority":
        """Read the manifest and the certificates, no key; raises AuthorityMissing or AuthorityDamaged."""
        try:
            entries = read_manifest(directory).issuing
            issuers = [_issuer(directory, entry) for entry in entries]
            _check_apart(issuers)
        except FileNotFoundError as fault:
            if (directory / MANIFEST).exists():
                raise AuthorityDamaged(f"The CA in {directory} is damaged: {fault.filename} is missing.") from None
            raise AuthorityMissing(
                f"There is no CA in {directory}: create one with `servicecert ca init`, or name its directory."
            ) from None
        except (OSError, ValueError) as fault:
            raise AuthorityDamaged(f"The CA in {directory} is damaged: {fault}.") from None
        return cls(
            directory,
            {issuer.id: issuer for issuer in issuers},
            {entry.id: entry.key for entry in entries},
            {entry.id: entry.active_from for entry in entries},
        )

    @property
    def roots(self) -> Mapping[str, IssuerInfo]:
        """The roots of these CAs by their names: they sign certificates of CAs, and CRLs of these."""
        found = {}
        for issuer in self.issuers.values():
            id, certificate = (
                root_id(issuer.environment, issuer.family),
                x509.load_der_x509_certificate(issuer.root_der),
            )
            found[id] = IssuerInfo.of(id, issuer.environment, certificate, certificate)
        return found

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """The SHA-256 of each issuing CA's certificate, in hexadecimal, by the CA's name."""
        return {id: sha256(issuer.certificate_der).hexdigest() for id, issuer in self.issuers.items()}

    @property
    def audited(self) -> Mapping[str, object]:
        """What the audit says of it at each start (B6): the CAs, from when each issues, and the SHA-256 of each ceremony's protocol.

        What a ceremony changes is used only after a start, so the audit tells of it before anything is signed with it.
        """
        protocols = sorted((self.directory / "protocols").glob("*.txt"))
        return {
            "keys": self.fingerprints,
            "issues_from": dict(self.active_from),
            "protocols": {path.name: sha256(path.read_bytes()).hexdigest() for path in protocols},
        }

    def issuer(self, id: str) -> IssuerInfo:
        """Return an issuing CA by its name; raises AuthorityMissing."""
        try:
            return self.issuers[id]
        except KeyError:
            raise AuthorityMissing(f"The CA in {self.directory} has no issuing CA {id}.") from None

    def issuer_for(self, environment: Environment, family: KeyFamily, moment: datetime) -> IssuerInfo:
        """Return the CA that issues for keys of `family` at `moment` (aware): the generation whose date came last.

        Raises AuthorityMissing where none is active.
        """
        of_kind = {id: self.active_from[id] for id in self.issuers if kind_of(id)[:2] == (environment, family)}
        found = active(of_kind, moment)
        if found is None:
            raise AuthorityMissing(
                f"The CA in {self.directory} has no active issuing CA {issuer_id(environment, family)}: "
                "activate one with `servicecert ca activate`."
            )
        return self.issuers[found]

    def takes_over_after(self, moment: datetime) -> tuple[IssuerInfo, ...]:
        """Return the CAs that are to issue from a date after `moment` (aware) on."""
        return tuple(self.issuers[id] for id, since in self.active_from.items() if since is not None and since > moment)


def _issuer(directory: Path, entry: Entry) -> IssuerInfo:
    """Read one issuing CA and check that its root signed it and that it is what the manifest says."""
    certificate = _certificate(directory / entry.certificate)
    root = _certificate(directory / entry.root)
    try:
        certificate.verify_directly_issued_by(root)
    except Exception as fault:
        raise ValueError(f"{entry.certificate} is not signed by {entry.root}") from fault
    issuer = IssuerInfo.of(entry.id, entry.environment, certificate, root)
    if kind_of(entry.id)[:2] != (issuer.environment, issuer.family):
        raise ValueError(f"{entry.certificate} holds an {issuer.family} key, which is not {issuer.id}'s")
    return issuer


def _check_apart(issuers: list[IssuerInfo]) -> None:
    """No two CAs share a name or a key; production and test share no root either (I11)."""
    roots = {
        environment: {it.root_der for it in issuers if it.environment is environment} for environment in Environment
    }
    if roots[Environment.PRODUCTION] & roots[Environment.TEST]:
        raise ValueError("production and test have a root in common")
    if len({it.id for it in issuers}) < len(issuers) or len({it.key_id for it in issuers}) < len(issuers):
        raise ValueError("two issuing CAs have the same name or the same key")


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
