"""All issuing keys of an authority, opened at once: only issuer, revoker and ceremonies may do this (I10).

Passphrases and PINs are read from files of two lines, ``production=<secret>`` and ``test=<secret>``: the secret of
one environment cannot open the other's keys (I11).
"""

import logging
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from .authority import Authority
from .issuer import IssuerInfo
from .keys import KeyFileMissing, KeyRefused, KeyUnavailable, SigningKey
from .manifest import KeyPlace, PemPlace, TokenPlace, kind_of, write_whole
from .pkcs11_module import load_module
from .profile import Environment
from .software_key import WEAK, SoftwareKey, check_mode, encrypted_pem, generate, is_weak, open_key
from .token_key import Token, TokenKey, generate_in_token, open_token_key

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenAccess:
    """The PKCS#11 library, and the file of the PINs, which is read at each login."""

    module: Path
    pin_file: Path

    def token(self, label: str, environment: Environment, *, insists: bool = False) -> Token:
        """Return the token of that label, not opened yet; raises KeyUnavailable if the library cannot be loaded."""
        module = load_module(self.module)
        return Token(module, label, lambda: read_secrets(self.pin_file, "PIN")[environment], insists=insists)


def read_passphrases(path: Path) -> Mapping[Environment, bytes]:
    """Return the passphrase of each environment; raises KeyUnavailable."""
    return read_secrets(path, "passphrase")


def read_secrets(path: Path, kind: str) -> Mapping[Environment, bytes]:
    """Return the secret of each environment from the `kind` file; raises KeyUnavailable, without quoting the file."""
    check_mode(path, f"{kind} file")
    try:
        lines = path.read_bytes().splitlines()
    except OSError as fault:
        raise KeyFileMissing(f"The {kind} file {path} cannot be read ({fault.strerror}).") from None
    named = dict(line.split(b"=", 1) for line in lines if b"=" in line)
    secrets = {environment: named.get(environment.encode(), b"") for environment in Environment}
    if not all(secrets.values()):
        raise KeyRefused(f"The {kind} file {path} needs the two lines production=<{kind}> and test=<{kind}>.")
    return secrets


def open_keys(
    authority: Authority,
    passphrases: Mapping[Environment, bytes] | None,
    tokens: TokenAccess | None = None,
    *,
    waits: bool = False,
) -> Mapping[str, SigningKey]:
    """Return the key of every issuing CA of every generation, by CA name; raises KeyUnavailable.

    `passphrases` are for keys in files, `tokens` for keys in tokens; each may be None if no key needs it. Who `waits`
    gets keys that their tokens do not give too, unless none is there: they work once the token has them. Disables core
    dumps of this process, because they would contain keys.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # All keys of a token share it.
    token = cache(tokens.token) if tokens else None
    keys: dict[str, SigningKey] = {}
    away: dict[str, KeyUnavailable] = {}
    for issuer in authority.issuers.values():
        try:
            keys[issuer.id] = _open(authority, issuer, passphrases, token)
        except KeyUnavailable as fault:
            place = authority.places[issuer.id]
            if not waits or type(fault) is not KeyUnavailable or token is None or isinstance(place, PemPlace):
                raise
            # Another key under that label signs nothing: each signature is verified by the CA's certificate (B4).
            keys[issuer.id] = TokenKey(token(place.token, issuer.environment), place.label, issuer.public_key)
            away[issuer.id] = fault
    if len(away) == len(keys):
        raise next(iter(away.values()))
    for id, reason in away.items():
        log.error("The key of %s is unavailable, and what needs it waits: %s", id, reason)
    return keys


def _open(
    authority: Authority,
    issuer: IssuerInfo,
    passphrases: Mapping[Environment, bytes] | None,
    token: Callable[[str, Environment], Token] | None,
) -> SigningKey:
    place = authority.places[issuer.id]
    key: SigningKey
    if isinstance(place, PemPlace):
        if passphrases is None:
            raise KeyRefused(
                f"The key of {issuer.id} is in a file: name its passphrases in SERVICECERT_CA_PASSPHRASE_FILE."
            )
        key = open_key(authority.directory / place.file, passphrases[issuer.environment])
    elif token is None:
        raise KeyRefused(
            f"The key of {issuer.id} is in the token {place.token}: "
            "set SERVICECERT_PKCS11_MODULE and SERVICECERT_PKCS11_PIN_FILE."
        )
    else:
        key = open_token_key(token(place.token, issuer.environment), place.label)
    if key.public_key() != issuer.public_key:
        raise KeyRefused(f"The key of {issuer.id} in {authority.directory} belongs to another certificate.")
    return key


def access(
    passphrase_file: Path | None, module: Path | None, pin_file: Path | None
) -> tuple[Mapping[Environment, bytes] | None, TokenAccess | None]:
    """Return the arguments of `open_keys` from a service's settings; raises KeyUnavailable if a file cannot be read."""
    passphrases = read_passphrases(passphrase_file) if passphrase_file else None
    return passphrases, TokenAccess(module, pin_file) if module and pin_file else None


class KeyStore(Protocol):
    """Makes and stores new keys."""

    def make(self, id: str) -> tuple[SigningKey, KeyPlace]: ...


@dataclass(frozen=True, repr=False)
class PemStore:
    """Encrypted files in the authority's directory, with one passphrase for each environment.

    Only for a `trial` are they encrypted for a quick start, and with any passphrase.
    """

    directory: Path
    passphrases: Mapping[Environment, bytes]
    trial: bool = False

    def make(self, id: str) -> tuple[SigningKey, KeyPlace]:
        """Make the key of an issuing CA; raises KeyUnavailable, also for a label in use in a token, or OSError."""
        environment, family, _ = kind_of(id)
        place = PemPlace(file=f"keys/{id}.pem")
        passphrase = self.passphrases[environment]
        if not self.trial and is_weak(passphrase):
            raise KeyRefused(WEAK.format(environment))
        key = generate(family)
        pem = encrypted_pem(key, passphrase, trial=self.trial)
        write_whole(self.directory / place.file, pem, mode=0o600)
        return SoftwareKey(key), place


@dataclass(frozen=True)
class TokenStore:
    """A token for each environment: `servicecert-production` and `servicecert-test`."""

    access: TokenAccess

    def rehearse(self) -> None:
        """Log in to both tokens; raises KeyUnavailable."""
        for environment in Environment:
            self.access.token(token_label(environment), environment).login()

    def make(self, id: str) -> tuple[SigningKey, KeyPlace]:
        environment, family, _ = kind_of(id)
        place = TokenPlace(token=token_label(environment), label=id)
        return generate_in_token(self.access.token(place.token, environment), id, family), place


def token_label(environment: Environment) -> str:
    return f"servicecert-{environment}"
