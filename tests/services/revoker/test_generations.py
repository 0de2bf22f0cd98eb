"""A CA that a later generation has followed still has its CRLs (B5, D7)."""

import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from cryptography import x509
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import activate, install, offline_folder, request_cas, sign_requests
from servicecert_pki.key_store import PemStore
from servicecert_pki.keyring import read_passphrases
from servicecert_pki.profiles import load_profiles
from servicecert_revoker.crl.effects.server import serve
from servicecert_revoker.service import MIGRATIONS, Settings, open_service
from servicecert_worker.decider import Done, Due, Task

ServicePool: TypeAlias = "Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]]"

MADE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def followed(authority: Authority, passphrase_file: Path, tmp_path: Path) -> Path:
    """The folder of a CA whose production-ec was followed by production-ec-2 half a year ago."""
    directory, offline = tmp_path / "ca", tmp_path / "offline"
    shutil.copytree(authority.directory, directory)
    shutil.copytree(offline_folder(authority.directory), offline)
    secrets = read_passphrases(passphrase_file)
    request_cas(directory, ["production-ec-2"], PemStore(directory, secrets))
    request = directory / "requests" / "production-ec-2.csr"
    sign_requests(offline, [request], secrets, load_profiles(), MADE)
    install(directory, [offline / "issued" / "production-ec-2.pem"], MADE)
    activate(directory, "production-ec-2", MADE + timedelta(days=1), MADE)
    return directory


async def test_B5_D7_both_generations_have_their_own_certificate_and_crl(
    followed: Path, passphrase_file: Path, tmp_path: Path, service_pool: ServicePool
) -> None:
    pool, crls = await service_pool("revoker", MIGRATIONS), tmp_path / "crls"
    async with (
        serve(crls, "127.0.0.1", 0) as base,
        open_service(
            Settings(ca_dir=followed, ca_passphrase_file=passphrase_file, crl_dir=crls, crl_base_url=base), pool
        ) as service,
        service.beside(),
    ):
        for id in ("production-ec", "production-ec-2"):
            (key, kind) = next(standing for standing in service.initial_deadlines if standing[0] == f"crl/{id}/0")
            (intent,) = service.decide(None, Due(uuid4(), key, kind, MADE), None, MADE).intents
            (outcome,) = await service.effects[intent.kind].do([Task(uuid4(), key, intent.kind, intent.data, MADE)])
            assert isinstance(outcome, Done)
            crl = x509.load_der_x509_crl((crls / f"{id}.crl").read_bytes())
            ca = x509.load_der_x509_certificate((crls / f"{id}.cer").read_bytes())
            assert crl.issuer == ca.subject
            public_key: Any = ca.public_key()
            assert crl.is_signature_valid(public_key)
