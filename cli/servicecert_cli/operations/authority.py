"""Making a certificate authority, with passphrases that are given or drawn, and the protocol of what was done."""

import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from servicecert_pki import ceremony
from servicecert_pki.authority import Authority
from servicecert_pki.key_store import KeyStore
from servicecert_pki.keyring import read_passphrases
from servicecert_pki.profile import Environment
from servicecert_pki.profiles import load_profiles
from servicecert_pki.protocol import Deed, protocol, store_protocol

from .files import write_private

DEMONSTRATION = "a demonstration on one machine"


def make_authority(
    directory: Path, passphrase_file: Path, store: KeyStore | None = None, operator: str = DEMONSTRATION
) -> Authority:
    """Makes the CAs in `directory` and their roots beside it. Where the passphrase file does not exist, passphrases are drawn and written to it, mode 0600.

    Keys of issuing CAs go to `store`, without one into encrypted files. The protocol is stored. Raises AuthorityExists, AuthorityRefused,
    KeyUnavailable, UserError. Takes some seconds.
    """
    draw_passphrases(passphrase_file)
    now = datetime.now(UTC)
    deeds = ceremony.make_authority(directory, read_passphrases(passphrase_file), load_profiles(), now, store=store)
    record(directory, "init", operator, deeds, now)
    return Authority.load(directory)


def draw_passphrases(file: Path) -> None:
    """Draws a passphrase for each environment into a file that does not exist yet. Raises UserError."""
    if not file.exists():
        drawn = "".join(f"{environment}={secrets.token_urlsafe(24)}\n" for environment in Environment)
        write_private(file, drawn.encode())


def record(
    directory: Path, step: str, operator: str, deeds: Sequence[Deed], now: datetime | None = None
) -> tuple[str, Path]:
    """Stores the protocol of a step below `directory`. Returns its text and where it is."""
    now = now or datetime.now(UTC)
    text = protocol(f"servicecert ca {step}", operator, socket.gethostname(), now, deeds)
    return text, store_protocol(directory, step, now, text)
