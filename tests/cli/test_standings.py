"""D8: certificate statuses for OCSP responders, published again from the revoker's database."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
from commandline import do, one_sentence
from identities import Identities
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.operations.standings import published
from servicecert_pki.crl import Reason
from servicecert_revoker.domain.status import (
    Awaited,
    Certificate,
    Listed,
    Registered,
    Revocation,
    Revoked,
    Valid,
    Void,
)
from servicecert_revoker.ocsp.domain.standings import Revoked as RevokedStatus
from servicecert_revoker.ocsp.domain.standings import SerialStatus
from servicecert_revoker.operator.standings import read_standings
from servicecert_revoker.service import MIGRATIONS
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.revocation import RevocationReason, Standing, StandingChanged
from servicecert_schemas.topics import CERTIFICATE_STANDINGS
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.decider import Stored
from servicecert_worker.kafka import topic_creation
from servicecert_worker.storage import database, schema

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
ENTRY = Revocation(uuid4(), RevocationReason.KEY_EXPOSED, AT, AT + timedelta(days=1), AT, AT - timedelta(hours=1))
OVER = AT - timedelta(days=100)


def certificate(number: int, not_after: datetime = datetime(2090, 1, 1, tzinfo=UTC)) -> Certificate:
    return Certificate(
        issuer="test-ec",
        serial=f"{number:02x}",
        account_id="account-1",
        subject="CN=kanta.example.fi,C=FI",
        issued_at=AT,
        not_after=not_after,
        language=Language.FINNISH,
        recipients=(),
        key_sha256="1" * 64,
        type=CertificateType.TEST_SERVER,
        profile="test-server",
        profile_version=1,
    )


def void(number: int) -> Void:
    return Void("test-ec", f"{number:02x}", datetime(2090, 1, 1, tzinfo=UTC), 1)


STATES = (
    Awaited(()),
    Valid(certificate(1, OVER)),
    Registered(certificate(2), replace(ENTRY, request_id=UUID(int=2))),
    Listed(certificate(3), replace(ENTRY, request_id=UUID(int=3))),
    Revoked(certificate(4), replace(ENTRY, request_id=UUID(int=4), reason=RevocationReason.NO_LONGER_NEEDED)),
    Registered(void(5), replace(ENTRY, request_id=UUID(int=5))),
    Revoked(void(6), replace(ENTRY, request_id=UUID(int=6))),
)
EXPECTED = {
    1: SerialStatus.VALID,
    2: SerialStatus.VALID,
    3: RevokedStatus(Reason.KEY_COMPROMISE, AT, ENTRY.invalid_since),
    4: RevokedStatus(Reason.CESSATION_OF_OPERATION, AT, ENTRY.invalid_since),
    5: SerialStatus.NEVER_ISSUED,
    6: RevokedStatus(Reason.KEY_COMPROMISE, AT, ENTRY.invalid_since),
}


@pytest.fixture
def revoker(admin_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment names a revoker's role, which knows certificates of every standing."""
    (url,) = database.prepare(admin_url, {"revoker": database.new_password()}).values()
    schema.migrate(admin_url, "revoker", [MIGRATIONS])
    stored = [Stored(str(UUID(int=number)), 0, state) for number, state in enumerate(STATES)]

    async def save() -> None:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await RevocationStore().save(connection, stored)
        assert [len(some) async for some in read_standings(connection, 2)] == [2, 2, 1]
        await connection.close()

    do(save)
    monkeypatch.setenv("DATABASE_URL", url)
    return url


def test_D8_I7_topic_that_was_lost_is_told_again_what_a_published_crl_says(
    servicecert, empty_cluster, revoker, tmp_path, monkeypatch
):
    identities = Identities(tmp_path / "service-keys")
    for name, value in identities.environment("revoker").items():
        monkeypatch.setenv(name, value)

    def topic_statuses() -> dict[int, Any]:
        topic = do(lambda: published(empty_cluster, identities.verifier().keys))
        return {number: topic.of("test-ec", number) for number in EXPECTED}

    done = servicecert("standings", "--yes")
    assert done.exit_code == 78
    assert "topics create" in one_sentence(done.stderr)
    topics = (CERTIFICATE_STANDINGS,)
    do(lambda: topic_creation.create(empty_cluster.bootstrap, topics, empty_cluster.prefix))
    # The topic has the right status of one certificate, and an outdated one of another.
    whole = StandingChanged(issuer="test-ec", serial="01", standing=Standing.VALID, not_after=OVER)
    outdated = whole.model_copy(update={"serial": "03"})
    do(lambda: publish(empty_cluster, whole, outdated, signer=identities.signer("revoker")))
    # F2: a record that the revoker has not signed says nothing, here as to responders.
    do(lambda: publish(empty_cluster, whole.model_copy(update={"serial": "02"})))
    assert servicecert("standings").stdout == "4 of 5 standings are missing; add --yes to publish them.\n"
    assert topic_statuses()[4] is SerialStatus.NEVER_ISSUED
    assert servicecert("standings", "--yes").stdout.startswith("Published 4 of 5 standings again")
    assert topic_statuses() == EXPECTED
    again = json.loads(servicecert("standings", "--yes", "--json").stdout)
    assert again == {"known": 5, "missing": 0, "published": 0}
    with psycopg.connect(revoker) as connection:
        rows = connection.execute("select entry from audit order by chain, seq").fetchall()
        (login,) = connection.execute("select session_user::text").fetchone() or ("",)
    acts = [entry["happened"] for (row,) in rows if "happened" in (entry := json.loads(row))]
    assert acts == [{"command": "standings", "facts": {"operator": login, "standings": 4}}], (
        "B6: what changed nothing is not"
    )
