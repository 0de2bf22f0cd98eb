"""All issuing keys of an authority, opened at once with the operator's passphrase file.

The file has one line for each environment: ``production=<passphrase>`` and ``test=<passphrase>``.
"""

from collections.abc import Mapping
from pathlib import Path

from servicecert_pki.authority import Authority
from servicecert_pki.keys import KeyUnavailable, SigningKey
from servicecert_pki.profiles import Environment


def read_passphrases(path: Path) -> Mapping[Environment, bytes]:
    """Return the passphrase of each environment; raises KeyUnavailable."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as fault:
        raise KeyUnavailable(f"The passphrase file {path} cannot be read ({fault.strerror}).") from None
    named = dict(line.split(b"=", 1) for line in lines if b"=" in line)
    passphrases = {environment: named.get(environment.encode(), b"") for environment in Environment}
    if not all(passphrases.values()):
        raise KeyUnavailable(
            f"The passphrase file {path} needs the two lines production=<passphrase> and test=<passphrase>."
        )
    return passphrases


def open_keys(authority: Authority, passphrases: Mapping[Environment, bytes]) -> Mapping[str, SigningKey]:
    """Open the key of every issuing CA, by its name; raises KeyUnavailable. It takes about a second."""
    return {
        issuer.id: authority.open_key(issuer.id, passphrases[issuer.environment])
        for issuer in authority.issuers.values()
    }
