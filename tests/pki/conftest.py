"""An authority made once for the session, subject keys, and OpenSSL's command line as a second opinion."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import made_once
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import make_authority
from servicecert_pki.ceremony_files import write_identity
from servicecert_pki.certificate import AlternativeNames, Contents, Subject
from servicecert_pki.identity import trial
from servicecert_pki.keyring import open_keys
from servicecert_pki.keys import PublicKey, SigningKey
from servicecert_pki.lint import Linter, LintSetting
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import Profiles, load_profiles
from servicecert_pki.serials import draw_serial
from servicecert_pki.spki import KeyFamily
from servicecert_pki.validity import validity

PASSPHRASES = {Environment.PRODUCTION: b"the production passphrase", Environment.TEST: b"the test passphrase"}
CEREMONY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

Run = Callable[..., subprocess.CompletedProcess[bytes]]
MakeContents = Callable[..., Contents]


@pytest.fixture(scope="session")
def passphrases() -> Mapping[Environment, bytes]:
    return PASSPHRASES


@pytest.fixture(scope="session")
def profiles() -> Profiles:
    return load_profiles()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory, profiles: Profiles) -> Authority:
    def make(folder: Path) -> None:
        write_identity(folder / "ca", trial("http://crl.example.fi"))
        make_authority(folder / "ca", PASSPHRASES, profiles, CEREMONY)

    return Authority.load(made_once(tmp_path_factory, "authority-of-pki", make) / "ca")


@pytest.fixture(scope="session")
def ca_keys(authority: Authority) -> Mapping[str, SigningKey]:
    return open_keys(authority, PASSPHRASES)


@pytest.fixture(scope="session")
def subject_keys() -> Mapping[KeyFamily, bytes]:
    """One SubjectPublicKeyInfo of each family."""
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())
    return {KeyFamily.RSA: spki_of(rsa_key.public_key()), KeyFamily.EC: spki_of(ec_key.public_key())}


def spki_of(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="session")
def make_contents(authority: Authority, profiles: Profiles, subject_keys: Mapping[KeyFamily, bytes]) -> MakeContents:
    """Return a factory of valid contents of one type and key family, with optional changes."""

    def make(type_id: str, family: KeyFamily = KeyFamily.EC, **changes: Any) -> Contents:
        profile = profiles[type_id]
        valid = validity(profile, CEREMONY)
        names = AlternativeNames(("kanta.example.fi", "b.example.fi")) if profile.dns_names else AlternativeNames()
        common_name = "kanta.example.fi" if profile.dns_names else "Esimerkkijärjestelmä Ö"
        sound = Contents(
            profile=profile,
            issuer=authority.issuer_for(profile.environment, family, CEREMONY),
            subject=Subject("Esimerkkiapteekki Oy", "Helsingin VI apteekki", "0204819-8", common_name),
            names=names,
            usages=profile.usages,
            spki=subject_keys[family],
            serial=draw_serial(),
            not_before=valid.not_before,
            not_after=valid.not_after,
            crl_url="http://crl.example.fi/a.crl",
            ca_issuers_url="http://ca.example.fi/a.cer",
            ocsp_url="http://ocsp.example.fi/",
        )
        return replace(sound, **changes)

    return make


@pytest.fixture(scope="session")
def linter() -> Linter:
    """The issuer's check before signing."""
    return Linter.with_new_keys(LintSetting.SHAPE)


@pytest.fixture(scope="session")
def openssl() -> Run:
    """Return a function that runs openssl; it raises CalledProcessError unless ``check=False``."""

    def run(*arguments: str | Path, check: bool = True, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["openssl", *map(str, arguments)], check=check, input=given, capture_output=True)

    return run
