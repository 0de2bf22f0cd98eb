"""A CA that a later generation has followed still has its CRLs (B5, D7), and a revoked CA is known to be."""

import asyncio
import shutil
from asyncio.subprocess import PIPE, STDOUT
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from certificates import LIFE, addresses, certified
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import activate, install, offline_folder, request_cas, sign_requests
from servicecert_pki.identity import trial
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keyring import PemStore, open_keys, read_passphrases
from servicecert_pki.profiles import load_profiles
from servicecert_pki.root_crl import copy_root_crls, make_root_crls
from servicecert_revoker.service import MIGRATIONS, Settings, open_service
from servicecert_revoker.serving.crl_server import serve
from servicecert_schemas.certificate import CertificateIssued
from servicecert_worker.core.decider import Done, Due, Service, Task

ServicePool: TypeAlias = "Callable[[str, Path], Awaitable[asyncpg.Pool[Any]]]"

MADE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[str]:
    """The address at which the CRLs are served."""
    async with serve(tmp_path / "crls", "127.0.0.1", 0) as base:
        yield base


@pytest.fixture
def followed(authority: Authority, passphrase_file: Path, tmp_path: Path, base: str) -> Path:
    """The folder of a CA whose test-ec was followed by test-ec-2 half a year ago."""
    directory, offline = tmp_path / "ca", tmp_path / "offline"
    shutil.copytree(authority.directory, directory)
    shutil.copytree(offline_folder(authority.directory), offline)
    for folder in (directory, offline):
        (folder / "authority.toml").write_text(trial(base))
    secrets = read_passphrases(passphrase_file)
    request_cas(directory, ["test-ec-2"], PemStore(directory, secrets))
    request = directory / "requests" / "test-ec-2.csr"
    sign_requests(offline, [request], secrets, load_profiles(), MADE)
    install(directory, [offline / "issued" / "test-ec-2.pem"], MADE)
    activate(directory, "test-ec-2", MADE + timedelta(days=1), MADE)
    return directory


@pytest.fixture
async def service(
    followed: Path, passphrase_file: Path, tmp_path: Path, base: str, service_pool: ServicePool
) -> AsyncIterator[Service[Any, Any]]:
    settings = Settings(ca_dir=followed, ca_passphrase_file=passphrase_file, crl_dir=tmp_path / "crls")
    async with open_service(settings, await service_pool("revoker", MIGRATIONS)) as service:
        yield service


async def publish(service: Service[Any, Any], id: str) -> None:
    """Publish a CA's CRLs as planned."""
    (key, kind) = next(standing for standing in service.rules.initial_deadlines if standing[0] == f"crl/{id}/0")
    for intent in service.rules.decide(None, Due(uuid4(), key, kind, MADE), None, MADE).intents:
        (outcome,) = await service.effects[intent.kind].do([Task(uuid4(), key, intent.kind, intent.data, MADE)])
        assert isinstance(outcome, Done)


async def test_B5_D7_both_generations_have_their_own_certificate_and_crl(
    service: Service[Any, Any], tmp_path: Path
) -> None:
    crls = tmp_path / "crls"
    async with service.beside(lambda: None):
        for id in ("test-ec", "test-ec-2"):
            await publish(service, id)
            crl = x509.load_der_x509_crl((crls / f"{id}.crl").read_bytes())
            ca = x509.load_der_x509_certificate((crls / f"{id}.cer").read_bytes())
            assert crl.issuer == ca.subject
            public_key: Any = ca.public_key()
            assert crl.is_signature_valid(public_key)


async def test_D7_who_has_nothing_but_the_root_learns_that_a_ca_is_revoked(
    service: Service[Any, Any],
    issued: CertificateIssued,
    followed: Path,
    passphrase_file: Path,
    tmp_path: Path,
    base: str,
) -> None:
    """All else is served where the certificates say."""
    secrets, now, authority = read_passphrases(passphrase_file), datetime.now(UTC), Authority.load(followed)
    keys, valid = open_keys(authority, secrets), {"not_before": now, "not_after": now + LIFE}
    made = certified(issued, authority, keys, ca="test-ec-2", base=base, **valid)
    certificate = x509.load_der_x509_certificate(b64decode(made.certificate))
    for revoked, verdict in (
        ([], "it.pem: OK"),
        ([("test-ec-2", "superseded")], "error 23 at 1 depth lookup: certificate revoked"),
    ):
        make_root_crls(tmp_path / "offline", secrets, now, revoked=revoked)
        copy_root_crls(tmp_path / "offline", followed)
        async with service.beside(lambda: None):
            await publish(service, "test-ec-2")
            assert verdict in await openssl(tmp_path, certificate, authority.issuer("test-ec-2"))


async def openssl(folder: Path, certificate: x509.Certificate, issuer: IssuerInfo) -> str:
    """Return OpenSSL's verdict, with what is fetched from the addresses in the certificate and in its CA's."""
    root = x509.load_der_x509_certificate(issuer.root_der)
    issuing = x509.load_der_x509_certificate(await fetched(addresses(certificate)[1], "pkix-cert"))
    assert await fetched(addresses(issuing)[1], "pkix-cert") == issuer.root_der
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    crls = []
    for name, each in (("it", certificate), ("issuing", issuing)):
        (folder / f"{name}.pem").write_bytes(each.public_bytes(Encoding.PEM))
        (folder / f"{name}.crl").write_bytes(await fetched(addresses(each)[0], "pkix-crl"))
        crls += ["-CRLfile", str(folder / f"{name}.crl")]
    chain = (
        "-no-CApath",
        "-no-CAstore",
        "-CAfile",
        str(folder / "root.pem"),
        "-untrusted",
        str(folder / "issuing.pem"),
    )
    words = ("verify", "-x509_strict", "-crl_check_all", *crls, *chain, str(folder / "it.pem"))
    verify = await asyncio.create_subprocess_exec("openssl", *words, stdout=PIPE, stderr=STDOUT)
    return (await verify.communicate())[0].decode()


async def fetched(url: str, kind: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url, raise_for_status=True) as answer:
        assert answer.content_type == f"application/{kind}"
        return await answer.read()
