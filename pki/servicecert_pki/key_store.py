"""Where a ceremony makes the keys of issuing CAs: in encrypted files, or inside tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .encrypted_key import WEAK, encrypted_pem, is_weak
from .keyring import TokenAccess
from .keys import KeyUnavailable, SigningKey
from .manifest import KeyPlace, PemPlace, TokenPlace, kind_of, write_whole
from .profile import Environment
from .software_key import SoftwareKey, generate
from .token_key import generate_in_token


class KeyStore(Protocol):
    """Makes and stores new keys."""

    def make(self, id: str) -> tuple[SigningKey, KeyPlace]:
        """Make the key of an issuing CA; raises KeyUnavailable or OSError."""
        ...


@dataclass(frozen=True, repr=False)
class PemStore:
    """Encrypted files in the authority's directory, with one passphrase for each environment.

    Only for a `trial` are they encrypted for a quick start, and with any passphrase.
    """

    directory: Path
    passphrases: Mapping[Environment, bytes]
    trial: bool = False

    def make(self, id: str) -> tuple[SigningKey, KeyPlace]:
        """See `KeyStore.make`."""
        environment, family, _ = kind_of(id)
        place = PemPlace(file=f"keys/{id}.pem")
        passphrase = self.passphrases[environment]
        if not self.trial and is_weak(passphrase):
            raise KeyUnavailable(WEAK.format(environment))
        key = generate(family)
        pem = encrypted_pem(key, passphrase, trial=self.trial)
        write_whole(self.directory / place.file, pem, mode=0o600)
        return SoftwareKey(key), place


@dataclass(frozen=True)
class TokenStore:
    """A token for each environment: `servicecert-production` and `servicecert-test` with the default prefix."""

    access: TokenAccess
    prefix: str = "servicecert"

    def make(self, id: str) -> tuple[SigningKey, KeyPlace]:
        """See `KeyStore.make`; a label that is in use raises KeyUnavailable."""
        environment, family, _ = kind_of(id)
        place = TokenPlace(token=token_label(self.prefix, environment), label=id)
        return generate_in_token(self.access.token(place.token, environment), id, family), place


def token_label(prefix: str, environment: Environment) -> str:
    return f"{prefix}-{environment}"
