"""Makes a certificate authority, its passphrases, and the protocol of each step."""

import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from servicecert_pki import ceremony
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony_files import Action, protocol, store_protocol
from servicecert_pki.identity import identity_in
from servicecert_pki.keyring import KeyStore, read_passphrases
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import load_profiles

from .files import write_private

DEMONSTRATION = "a demonstration on one machine"


def make_authority(
    directory: Path, passphrase_file: Path, store: KeyStore | None = None, operator: str = DEMONSTRATION
) -> Authority:
    """Make the CAs in `directory` and their roots beside it, and store the protocol. Takes some seconds.

    If the passphrase file does not exist, it is written with new passphrases, mode 0600. Keys of issuing CAs go to
    `store`, or into encrypted files. Raises
    AuthorityExists, AuthorityRefused, KeyUnavailable, UserError, IdentityUnusable.
    """
    draw_passphrases(passphrase_file)
    profiles, now = load_profiles(whose=identity_in(directory)), datetime.now(UTC)
    actions = ceremony.make_authority(directory, read_passphrases(passphrase_file), profiles, now, store)
    record(directory, "init", operator, actions, now)
    return Authority.load(directory)


def draw_passphrases(file: Path) -> None:
    """Write a new passphrase for each environment, unless the file exists. Raises UserError."""
    if not file.exists():
        drawn = "".join(f"{environment}={secrets.token_urlsafe(24)}\n" for environment in Environment)
        write_private(file, drawn.encode())


def record(
    directory: Path, step: str, operator: str, actions: Sequence[Action], now: datetime | None = None
) -> tuple[str, Path]:
    """Store the protocol of a step below `directory`. Return its text and its path."""
    now = now or datetime.now(UTC)
    text = protocol(f"servicecert ca {step}", operator, socket.gethostname(), now, actions)
    return text, store_protocol(directory, step, now, text)
