"""Making the authority: keys and certificates of the roots and of the issuing CAs under them.

The names are fictitious and say so; an authority of its own name makes its CAs by its own ceremony.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from servicecert_pki.authority import (
    MANIFEST,
    MANIFEST_VERSION,
    Authority,
    AuthorityExists,
    AuthorityRefused,
    issuer_id,
    root_id,
)
from servicecert_pki.keys import PrivateKey, encrypted_pem
from servicecert_pki.profiles import Environment, Profiles
from servicecert_pki.serials import draw_serial
from servicecert_pki.spki import KeyFamily

_ROOT_YEARS = 20
_ISSUING_YEARS = 10

_KEY_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, repr=False)
class _Made:
    """A CA that has just been made; its representation shows nothing of the key."""

    key: PrivateKey
    certificate: x509.Certificate


def init_authority(
    directory: Path,
    passphrases: Mapping[Environment, bytes],
    profiles: Profiles,
    now: datetime,
    random: Callable[[int], bytes] = os.urandom,
) -> Authority:
    """Make, for production and test each, an RSA 4096 and an EC P-384 root and an issuing CA under each.

    `passphrases` encrypt the keys of one environment each; `profiles` give the policies that an issuing CA may
    certify; `now` (aware) is the first second of validity; `random` draws the serial numbers. The manifest is
    written last, and without it there is no CA, so that an interrupted run is simply repeated. Raises
    AuthorityExists or AuthorityRefused.
    """
    _check_passphrases(passphrases)
    try:
        _make_all(directory, passphrases, profiles, now.astimezone(UTC).replace(microsecond=0), random)
    except OSError as fault:
        raise AuthorityRefused(f"No CA can be written to {directory} ({fault.strerror}).") from None
    return Authority.load(directory)


def _make_all(
    directory: Path,
    passphrases: Mapping[Environment, bytes],
    profiles: Profiles,
    now: datetime,
    random: Callable[[int], bytes],
) -> None:
    (directory / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone_in(directory):
        if (directory / MANIFEST).exists():
            raise AuthorityExists(f"There is a CA in {directory} already; name another directory for a new one.")
        entries = [
            _make_pair(directory, environment, family, passphrases[environment], profiles, now, random)
            for environment in Environment
            for family in KeyFamily
        ]
        manifest = {"version": MANIFEST_VERSION, "made": now.isoformat(), "issuing": entries}
        _write(directory / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")


def _check_passphrases(passphrases: Mapping[Environment, bytes]) -> None:
    given = [passphrases.get(environment) for environment in Environment]
    if not all(given):
        raise AuthorityRefused("Give a passphrase for the production keys and one for the test keys.")
    if len(set(given)) < len(given):
        raise AuthorityRefused("Production and test keys need different passphrases.")


def _make_pair(
    directory: Path,
    environment: Environment,
    family: KeyFamily,
    passphrase: bytes,
    profiles: Profiles,
    now: datetime,
    random: Callable[[int], bytes],
) -> dict[str, str]:
    """Make a root and its issuing CA, write their files, and return the manifest's entry."""
    kind = f"{environment.capitalize()} {'RSA 4096' if family is KeyFamily.RSA else 'EC P-384'}"
    root = _make_root(_generate(family), f"Demonstration Root CA {kind}", now, draw_serial(random))
    issuing = _make_issuing(
        root,
        _generate(family),
        f"Demonstration Issuing CA {kind}",
        profiles.policies(environment),
        now,
        draw_serial(random),
    )
    files = {}
    for folder, id, made in (
        ("roots", root_id(environment, family), root),
        ("issuing", issuer_id(environment, family), issuing),
    ):
        _write(directory / "keys" / f"{id}.pem", encrypted_pem(made.key, passphrase), mode=0o600)
        files[folder] = f"{folder}/{id}.pem"
        _write(directory / files[folder], made.certificate.public_bytes(Encoding.PEM))
    return {
        "id": issuer_id(environment, family),
        "environment": environment,
        "certificate": files["issuing"],
        "root": files["roots"],
    }


def _generate(family: KeyFamily) -> PrivateKey:
    if family is KeyFamily.RSA:
        return rsa.generate_private_key(65537, 4096)
    return ec.generate_private_key(ec.SECP384R1())


def _make_root(key: PrivateKey, name: str, now: datetime, serial: int) -> _Made:
    subject = _name(name)
    builder = _builder(key, subject, now, _ROOT_YEARS, serial).issuer_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return _Made(key, builder.sign(key, _hash(key)))


def _make_issuing(
    root: _Made, key: PrivateKey, name: str, policies: tuple[str, ...], now: datetime, serial: int
) -> _Made:
    """The policies of the environment stand in the CA certificate, so that its chain holds for no other."""
    root_key_id = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    information = [x509.PolicyInformation(x509.ObjectIdentifier(policy), None) for policy in policies]
    builder = (
        _builder(key, _name(name), now, _ISSUING_YEARS, serial)
        .issuer_name(root.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.CertificatePolicies(information), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_key_id), critical=False)
    )
    return _Made(key, builder.sign(root.key, _hash(root.key)))


def _builder(key: PrivateKey, subject: x509.Name, now: datetime, years: int, serial: int) -> x509.CertificateBuilder:
    """Begin a certificate with what roots and issuing CAs have in common; 29 February counts as the 28th."""
    day = 28 if (now.month, now.day) == (2, 29) else now.day
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now)
        .not_valid_after(now.replace(year=now.year + years, day=day))
        .add_extension(_KEY_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FI"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Fictitious Certificate Authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _hash(key: PrivateKey) -> hashes.SHA384 | hashes.SHA512:
    return hashes.SHA512() if isinstance(key, rsa.RSAPrivateKey) else hashes.SHA384()


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, so that two runs at once cannot mix their files."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that it is there whole and on disk, or not at all."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
