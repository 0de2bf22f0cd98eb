"""Making a certificate authority, with passphrases that are given or drawn."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import init_authority
from servicecert_pki.keyring import read_passphrases
from servicecert_pki.profiles import Environment, load_profiles

from servicecert_cli.private_files import write_private


def make_authority(directory: Path, passphrase_file: Path) -> Authority:
    """Makes the CAs in `directory`. Where the passphrase file does not exist, passphrases are drawn and written to it, mode 0600.

    Raises AuthorityExists, AuthorityRefused, KeyUnavailable, Told. Takes some seconds.
    """
    if not passphrase_file.exists():
        drawn = "".join(f"{environment}={secrets.token_urlsafe(24)}\n" for environment in Environment)
        write_private(passphrase_file, drawn.encode())
    passphrases = read_passphrases(passphrase_file)
    return init_authority(directory, passphrases, load_profiles(), datetime.now(UTC))
