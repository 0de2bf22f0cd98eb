"""An authority of 2026 that issues to the canary."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.watching.canary.stand import Issuance
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import open_keys, read_passphrases


@pytest.fixture(scope="session")
def issuance(authority_of_2026: Path) -> Issuance:
    authority = Authority.load(authority_of_2026)
    return Issuance(authority, open_keys(authority, read_passphrases(authority_of_2026.with_name("ca.passphrases"))))
