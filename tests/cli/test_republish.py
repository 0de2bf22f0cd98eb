"""What a service's tables owe to its topics, put into its outbox again; most of it for OCSP responders (D8)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
from commandline import do, one_sentence, read_json
from identities import Identities
from psycopg.rows import dict_row
from servicecert_cli.admin import topics
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.operations import republishing
from servicecert_pki.crl import Reason
from servicecert_revoker.domain.certificates import Certificate, Void
from servicecert_revoker.domain.status import Awaited, Listed, Registered, Revocation, Revoked, Valid
from servicecert_revoker.ocsp.domain.standings import Revoked as RevokedStatus
from servicecert_revoker.ocsp.domain.standings import SerialStatus, Standings
from servicecert_revoker.service import MIGRATIONS
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.codec import Record
from servicecert_schemas.event import Envelope
from servicecert_schemas.headers import SIGNATURE, headers_of
from servicecert_schemas.revocation import RevocationReason, Standing, StandingChanged
from servicecert_schemas.topics import CATALOGUE
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.core.decider import Stored
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
        await connection.close()

    do(save)
    monkeypatch.setenv("DATABASE_URL", url)
    return url


@pytest.fixture
def identities(tmp_path, monkeypatch):
    identities = Identities(tmp_path / "service-keys")
    for name, value in identities.environment("revoker").items():
        monkeypatch.setenv(name, value)
    return identities


def counts(rows) -> dict[str, tuple[int, int, int, int]]:
    """Return by topic what is owed, in the topic, in the outbox and missing."""
    return {row["topic"]: (row["owed"], row["in_topic"], row["in_outbox"], row["missing"]) for row in rows}


def create_topics(cluster) -> None:
    do(lambda: topics.create(cluster, CATALOGUE))


def test_D8_I7_topic_that_was_lost_is_filled_with_what_a_published_crl_says(
    servicecert, empty_cluster, revoker, identities, monkeypatch
):
    monkeypatch.setattr(republishing, "AT_ONCE", 2)
    done = servicecert("republish", "revoker", "--yes")
    assert done.exit_code == 78
    assert "topics create" in one_sentence(done.stderr)
    create_topics(empty_cluster)
    # The topic has the right status of one certificate, and an outdated one of another.
    whole = StandingChanged(issuer="test-ec", serial="01", standing=Standing.VALID, not_after=OVER)
    outdated = whole.model_copy(update={"serial": "03"})
    do(lambda: publish(empty_cluster, whole, outdated, signer=identities.signer("revoker")))
    # F2: a record that the revoker has not signed says nothing, here as to responders.
    do(lambda: publish(empty_cluster, whole.model_copy(update={"serial": "02"})))
    assert counts(read_json(servicecert("republish", "revoker", "--json")))["certificate-standings"] == (5, 1, 0, 4)
    assert "add --yes to publish them" in servicecert("republish", "revoker").stdout
    assert outbox(revoker) == []
    assert "events are in the outbox now" in servicecert("republish", "revoker", "--yes").stdout
    published = outbox(revoker)
    statuses = Standings()
    for row in published:
        record = Record(row["topic"], row["key"].encode(), headers(row), row["payload"])
        assert identities.verifier().verify(record.topic, record.key, record.headers, record.value)
        if row["type"] == StandingChanged.TYPE:
            statuses.take(StandingChanged.model_validate_json(row["payload"]), row["at"])
    statuses.take(whole, AT)
    assert {number: statuses.of("test-ec", number) for number in EXPECTED} == EXPECTED
    assert counts(read_json(servicecert("republish", "revoker", "--yes", "--json")))["certificate-standings"] == (
        5,
        1,
        4,
        0,
    )
    assert outbox(revoker) == published, "what is there is passed over"


def test_B6_each_part_that_is_published_again_is_in_the_audit(servicecert, empty_cluster, revoker, identities):
    create_topics(empty_cluster)
    servicecert("republish", "revoker")
    assert acts(revoker) == [], "what changed nothing is not"
    servicecert("republish", "revoker", "--yes")
    of_cases, of_keys = acts(revoker)
    assert {of_cases["command"], of_keys["command"]} == {"republish"}
    assert (of_cases["facts"]["certificate-standings"], of_cases["facts"]["certificate-status"]) == (5, 2)
    assert of_keys["facts"]["certificate-status"] == 1


def test_topics_that_forget_are_filled_with_what_they_would_still_have(servicecert, empty_cluster, revoker, identities):
    create_topics(empty_cluster)
    owed = counts(read_json(servicecert("republish", "revoker", "--json")))
    assert owed["certificate-status"] == (3, 0, 0, 3), "two requests, and a compromised key"
    later = counts(read_json(servicecert("republish", "revoker", "--json", "--since", "2026-11-25")))
    assert later["certificate-status"] == (1, 0, 0, 1), "the key is known since now"
    assert later["certificate-standings"] == (5, 0, 0, 5), "it is kept for ever"


def test_only_the_service_itself_publishes_again(servicecert, empty_cluster, revoker, identities, monkeypatch):
    create_topics(empty_cluster)
    monkeypatch.delenv("SERVICECERT_SERVICE_KEY_FILE")
    done = servicecert("republish", "revoker", "--yes")
    assert (done.exit_code, "--key" in one_sentence(done.stderr)) == (1, True)
    done = servicecert("republish", "issuer")
    assert (done.exit_code, "--ca-dir" in one_sentence(done.stderr)) == (1, True)


def outbox(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute("select * from outbox order by id").fetchall()


def acts(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select entry from audit order by at, chain, seq").fetchall()
    return [entry["happened"] for (row,) in rows if "happened" in (entry := json.loads(row))]


def headers(row: dict[str, Any]) -> Any:
    """Return the headers that the relay gives an event of the outbox."""
    envelope = Envelope(row["event_id"], "/revoker", row["type"], row["key"], row["at"].astimezone(UTC), row["key"])
    return [*headers_of(envelope), (SIGNATURE, row["signature"].encode())]
