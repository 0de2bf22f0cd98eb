"""A certificate that was signed and then voided before it was published: it is revoked, but not published as such."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from chaos.observers import SIGNATURE_HOOK, read_crl
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from journeys.client import PATIENCE_SECONDS, CustomerClient, Running
from servicecert_cli.stand.system import System
from servicecert_issuer.operator import requests as wishes
from servicecert_pki.authority import Authority
from servicecert_pki.ocsp_client import OcspQuery
from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.revocation import CertificateRevoked, RevocationRegistered, StandingChanged
from servicecert_schemas.values import CertificateType

KILLED = 128 + 9
NONCE = bytes(32)


@pytest.mark.long
async def test_B2_I7_what_was_signed_and_then_given_up_is_revoked_for_relying_parties(
    running: Running, tmp_path: Path
) -> None:
    log = tmp_path / "signatures"
    environment = {"SIGNATURE_LOG": str(log), "PYTHONPATH": str(SIGNATURE_HOOK), "SERVICECERT_SESSION_SECONDS": "1"}
    async with running(tmp_path, environment=environment) as client:
        system = client.system
        case_id = await _signed_by_a_dying_issuer(client)
        issuer, tbs = await _void(system.backends.admin_url, case_id)
        signature = f"{_ca_key(system, issuer)} {sha256(tbs).hexdigest()}"
        assert log.read_text().count(signature) == 1
        system.start("issuer")
        voided = await client.latest(case_id, CertificateVoided)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await client.witness.until(StandingChanged, lambda it: it.serial == voided.serial)
        for partition in {FULL, voided.partition}:
            _, listed = read_crl((system.crl_folder / crl_name(voided.issuer, partition)).read_bytes())
            assert int(voided.serial, 16) in listed
        await _until_ocsp_says_revoked(system, voided)
        await client.view(case_id, CaseState.REFUSED)
        assert log.read_text().count(signature) == 1, "a voided certificate is not signed again"
        for kind in (CertificateIssued, RevocationRegistered, CertificateRevoked):
            assert not client.witness.events_of_case(case_id, kind)
        assert {it.kind for it in client.witness.events_of_case(case_id, MailHandedOver)} <= {"application-refused"}


async def _signed_by_a_dying_issuer(client: CustomerClient) -> UUID:
    """Return a case whose certificate is signed by an issuer that dies before it stores the certificate."""
    await asyncio.to_thread(client.system.children["issuer"].kill)
    child = client.system.start("issuer", SERVICECERT_DIE_AT="effect-done")
    case_id = await client.apply(CertificateType.TEST_SERVER)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while child.alive:  # noqa: ASYNC110  -- a process ends
            await asyncio.sleep(0.05)
    assert child.returncode == KILLED, child.tail(5)
    return case_id


async def _void(url: str, case_id: UUID) -> tuple[str, bytes]:
    """Void the certificate like `servicecert ca void` after its minute. Return the CA, and the bytes to be signed."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "issuer"})
    try:
        await connection.execute("update intents set since = since - interval '2 minutes'")
        assert await wishes.give_up(connection, str(case_id), "the token is destroyed")
        row = await connection.fetchrow("select issuer, tbs from certificates where key = $1", str(case_id))
        assert row is not None
        return row["issuer"], row["tbs"]
    finally:
        await connection.close()


def _ca_key(system: System, issuer: str) -> str:
    """Return the SHA-256 of a CA's key as in the log of signatures; throw-away keys that sign for the linter differ."""
    public = Authority.load(system.ca_folder).issuer(issuer).public_key
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


async def _until_ocsp_says_revoked(system: System, voided: CertificateVoided) -> None:
    question = OcspQuery(Authority.load(system.ca_folder).issuer(voided.issuer), int(voided.serial, 16), NONCE)
    headers = {"Content-Type": "application/ocsp-request"}
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with session.post(system.ocsp_url, data=question.request()) as response:
                if question.is_revoked(await response.read(), datetime.now(UTC)):
                    return
            await asyncio.sleep(0.05)
