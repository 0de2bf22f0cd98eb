"""The authority's CAs in a directory: public certificates and the manifest.

AuthorityRefused
├── AuthorityMissing    the directory holds no CA, or not the requested one
├── AuthorityExists     a CA would be overwritten
└── AuthorityDamaged    the manifest, the certificates and the keys do not belong together

authority.toml                      whose CAs these are: `identity`; none for a trial's
authority.json                      each CA's environment, key location and activation date: `manifest`
roots/production-root-rsa.pem …     certificates
issuing/production-rsa.pem …
keys/production-rsa.pem …           encrypted PKCS#8, mode 0600; empty if the keys are in a token
requests/production-rsa.csr …       requests to the roots
crls/production-root-rsa.crl …      the roots' CRLs, made in ceremonies
protocols/…                         the record of each ceremony

The roots' keys are never here: `ceremony` keeps them in a separate folder.
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
    """The message is one sentence that names the directory and what to do. `exit_code` follows sysexits.h."""

    exit_code = 65


class AuthorityMissing(AuthorityRefused):
    """The directory holds no CA, or no issuing CA of that kind."""

    exit_code = 78


class AuthorityExists(AuthorityRefused):
    """A CA exists already and is not overwritten."""

    exit_code = 73


class AuthorityDamaged(AuthorityRefused):
    """The files in the directory do not belong together."""


@dataclass(frozen=True)
class Authority:
    """The public part of all issuing CAs of all generations.

    `places` maps a CA to the location of its key, `active_from` to the time from which it issues (None: not activated).
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
            what = "cannot be read" if isinstance(fault, OSError) else "is damaged"
            raise AuthorityDamaged(f"The CA in {directory} {what}: {fault}.") from None
        return cls(
            directory,
            {issuer.id: issuer for issuer in issuers},
            {entry.id: entry.key for entry in entries},
            {entry.id: entry.active_from for entry in entries},
        )

    @property
    def roots(self) -> Mapping[str, IssuerInfo]:
        """The roots of these CAs by name; a root signs CA certificates and a CRL of them."""
        roots = {}
        for issuer in self.issuers.values():
            id = root_id(issuer.environment, issuer.family)
            certificate = x509.load_der_x509_certificate(issuer.root_der)
            roots[id] = IssuerInfo.of(id, issuer.environment, certificate, certificate)
        return roots

    @property
    def holds_production_keys(self) -> bool:
        """Whether a CA here issues for production and is none for trials: then nothing that is for trials may be on."""
        return any(issuer.is_for_production for issuer in self.issuers.values())

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """The SHA-256 of each issuing CA's certificate, in hexadecimal, by CA name."""
        return {id: sha256(issuer.certificate_der).hexdigest() for id, issuer in self.issuers.items()}

    @property
    def audited(self) -> Mapping[str, object]:
        """The fields of the audit entry at each start (B6): CAs, activation times, SHA-256 of each ceremony's protocol.

        A ceremony's changes take effect at the next start, so they are audited before anything is signed with them.
        """
        protocols = sorted((self.directory / "protocols").glob("*.txt"))
        return {
            "keys": self.fingerprints,
            "issues_from": dict(self.active_from),
            "protocols": {path.name: sha256(path.read_bytes()).hexdigest() for path in protocols},
        }

    def issuer(self, id: str) -> IssuerInfo:
        """Return an issuing CA by name; raises AuthorityMissing."""
        try:
            return self.issuers[id]
        except KeyError:
            raise AuthorityMissing(f"The CA in {self.directory} has no issuing CA {id}.") from None

    def issuer_for(self, environment: Environment, family: KeyFamily, moment: datetime) -> IssuerInfo:
        """Return the CA that issues for keys of `family` at `moment` (aware): the generation activated last.

        Raises AuthorityMissing if none is active.
        """
        of_kind = {id: self.active_from[id] for id in self.issuers if kind_of(id)[:2] == (environment, family)}
        issuer = active(of_kind, moment)
        if issuer is None:
            raise AuthorityMissing(
                f"The CA in {self.directory} has no active issuing CA {issuer_id(environment, family)}: "
                "activate one with `servicecert ca activate`."
            )
        return self.issuers[issuer]

    def is_replaced(self, id: str, moment: datetime) -> bool:
        """Return whether a CA has issued, and another of its kind issues at `moment` (aware)."""
        since = self.active_from[id]
        return since is not None and since <= moment and self.issuer_for(*kind_of(id)[:2], moment).id != id

    def activated_after(self, moment: datetime) -> tuple[IssuerInfo, ...]:
        """Return the CAs that are activated for a date after `moment` (aware)."""
        return tuple(self.issuers[id] for id, since in self.active_from.items() if since is not None and since > moment)


def _issuer(directory: Path, entry: Entry) -> IssuerInfo:
    """Return one issuing CA; raises ValueError unless its root signed it and it matches the manifest."""
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
    """Raise ValueError if two CAs share a name or a key, or production and test share a root (I11)."""
    roots = {
        environment: {it.root_der for it in issuers if it.environment is environment} for environment in Environment
    }
    if roots[Environment.PRODUCTION] & roots[Environment.TEST]:
        raise ValueError("production and test have a root in common")
    if len({it.id for it in issuers}) < len(issuers) or len({it.key_id for it in issuers}) < len(issuers):
        raise ValueError("two issuing CAs have the same name or the same key")


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
