"""The operators' commands on issuing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import Result
from commandline import do, one_sentence, read_json
from recycling import Migrated
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections.kafka import publish
from servicecert_intake.service import MIGRATIONS as INTAKE_MIGRATIONS
from servicecert_issuer.service import MIGRATIONS
from servicecert_revoker.service import MIGRATIONS as REVOKER_MIGRATIONS
from servicecert_schemas.certificate import CertificateVoided
from servicecert_schemas.responder import ResponderCertified, ResponderEnvironment
from servicecert_schemas.revocation import Standing, StandingChanged
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, CERTIFICATES, OCSP_RESPONDERS
from servicecert_worker.kafka.cluster import Cluster

TABLES = {"intake": [INTAKE_MIGRATIONS], "issuer": [MIGRATIONS], "revoker": [REVOKER_MIGRATIONS]}
STOPPED = """
insert into certificates (key, version, state, issuer, application, findings)
values (%s, 1, 'stopped', 'test-ec', '{"type": "test-server"}', '["pkix.a", "pkix.b"]')
"""
INTENDED = """
insert into certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before,
                          not_after, key_sha256, business_id, "grant", begun_at, sign_by)
values (%s, 1, 'intended', 'test-ec', '4a01', '\\x4a01', 'test-server', 1, 0, now(),
        now() + interval '1 day', repeat('a', 64), '0204819-8', '{}', now() - interval '3 hours',
        now() + interval '1 day')
"""
ORDER = """
insert into intents (id, key, kind, data, owner, since)
values (gen_random_uuid(), %s, 'sign', '{"issuer": "test-ec", "tbs": "SgE="}', 0, now() - interval '3 hours')
"""

AUDITED = """
insert into audit (chain, seq, at, key, entry, hash)
select gen_random_uuid(), 1, now(), key,
       json_build_object('intents', json_build_array(json_build_object('kind', 'sign', 'facts',
       json_build_object('issuer', issuer, 'tbs_sha256', encode(sha256(tbs), 'hex')))))::text, sha256('')
from certificates
"""
ACCEPTED = """
insert into intake.audit (chain, seq, at, key, entry, hash)
select gen_random_uuid(), 1, now(), key,
       json_build_object('events', json_build_array(json_build_object('type', 'servicecert.application.accepted.v1',
       'facts', json_build_object('application_sha256', %s::text))))::text, sha256('')
from certificates
"""


@pytest.fixture
def issuer_tables(place: Migrated):
    """The issuer's tables, beside intake's and the revoker's, as an administrator; the environment names them."""
    with psycopg.connect(place.admin_url, autocommit=True, options="-c search_path=issuer") as connection:
        yield connection


def test_B2_operators_see_what_waits_and_why_and_can_act(
    servicecert: Callable[..., Result], issuer_tables: psycopg.Connection, authority: Path
) -> None:
    assert servicecert("ca", "status").stdout.splitlines() == [
        "0 applications are refused.",
        "0 applications are stopped.",
    ]
    stopped, waiting, refused = (str(uuid4()) for _ in range(3))
    issuer_tables.execute(STOPPED, [stopped])
    issuer_tables.execute(INTENDED, [waiting])
    issuer_tables.execute(ORDER, [waiting])
    issuer_tables.execute(
        "insert into certificates (key, version, state, refusal) values (%s, 1, 'refused', 'validity')", [refused]
    )
    issuer_tables.execute(INTENDED.replace("test-ec", "production-rsa"), [str(uuid4())])
    issuer_tables.execute(
        "update certificates set state = 'issued', certificate = 'x', ended_at = now() where issuer = 'production-rsa'"
    )
    shown = servicecert("ca", "status", "--ca-dir", authority).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.splitlines()[1].split()[2:5] == ["0", "-", "1"]
    assert shown.splitlines()[2].split()[2:] == ["1", "3", "h", "0", "0", "-"]
    assert "1 applications are refused: 1 validity." in shown
    assert f"  {stopped}" in shown
    assert "pkix.a, pkix.b" in shown
    report = read_json(servicecert("ca", "status", "--json"))
    assert (report["refused"], [each["key"] for each in report["stopped"]]) == ({"validity": 1}, [stopped])

    assert servicecert("ca", "retry").exit_code == 2
    assert one_sentence(servicecert("ca", "retry", waiting).stderr).startswith(
        f"servicecert: The case {waiting} is not"
    )
    assert "1 applications are tried again." in servicecert("ca", "retry", stopped).stdout
    assert read_json(servicecert("ca", "retry", "--all", "--json")) == {"retried": 1}
    assert issuer_tables.execute("select key, kind, at <= now() from deadlines").fetchall() == [
        (stopped, "retry", True)
    ]

    assert "add --yes" in servicecert("ca", "void", waiting, "--reason", "lost").stdout
    assert issuer_tables.execute("select count(*) from unwanted").fetchone() == (0,)
    assert servicecert("ca", "void", stopped, "--reason", "lost", "--yes").exit_code == 1
    assert "Gave up the intent" in servicecert("ca", "void", waiting, "--reason", "lost", "--yes").stdout
    assert read_json(servicecert("ca", "void", waiting, "--reason", "gone", "--yes", "--json")) == {"void": waiting}
    assert issuer_tables.execute("select key, reason from unwanted").fetchall() == [(waiting, "gone")]
    report = [
        (key, json.loads(entry)["happened"])
        for key, entry in issuer_tables.execute(
            "select key, entry from audit natural join audit_chains where seq > 1 order by at"
        )
    ]
    (login,) = issuer_tables.execute("select session_user::text").fetchone() or ("",)
    # B6: whatever changes what happens is in the audit, and what changes nothing is not.
    assert report == [
        (stopped, {"command": "ca retry", "facts": {"operator": login}}),
        (stopped, {"command": "ca retry", "facts": {"operator": login}}),
        (waiting, {"command": "ca void", "facts": {"operator": login, "reason": "lost"}}),
        (waiting, {"command": "ca void", "facts": {"operator": login, "reason": "gone"}}),
    ]


def test_B2_books_that_do_not_agree_are_told_and_end_with_1(
    servicecert: Callable[..., Result], issuer_tables: psycopg.Connection
) -> None:
    waiting = str(uuid4())
    issuer_tables.execute(INTENDED, [waiting])
    issuer_tables.execute(ORDER, [waiting])
    done = servicecert("ca", "reconcile")
    assert done.exit_code == 1
    assert f"{waiting} has a serial number, but the audit has no record of its intent" in done.stdout
    issuer_tables.execute(AUDITED)
    issuer_tables.execute(ACCEPTED, [None])
    done = servicecert("ca", "reconcile")
    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        [
            "test-ec: 1 allocated = 0 issued + 0 void + 1 open",
            "test-ec: signed 0 certificates, 0 void, 0 responders, 0 CRLs",
            "0 differences.",
        ],
    )
    issuer_tables.execute("delete from intents")
    done = servicecert("ca", "reconcile")
    assert done.exit_code == 1
    assert f"{waiting} is intended, and no act is open" in done.stdout
    done = servicecert("ca", "reconcile", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert [each["what"] for each in report["differences"]] == ["never-finished"]
    assert report["published"] is None


@pytest.mark.parametrize(
    ("audited", "recorded", "is_found"),
    [
        (None, None, False),
        ("a" * 64, "a" * 64, False),
        # Of the release before.
        (None, "a" * 64, False),
        ("a" * 64, None, False),
        # Another application, signed with intake's key, overtook the one that intake accepted.
        ("a" * 64, "b" * 64, True),
        ("nothing", "b" * 64, True),
        ("nothing", None, True),
    ],
)
def test_F2_an_application_that_intake_signed_and_did_not_accept_is_found(
    servicecert: Callable[..., Result],
    issuer_tables: psycopg.Connection,
    audited: str | None,
    recorded: str | None,
    is_found: bool,
) -> None:
    case = str(uuid4())
    issuer_tables.execute(INTENDED, [case])
    issuer_tables.execute(ORDER, [case])
    issuer_tables.execute("update certificates set application_sha256 = %s", [recorded])
    issuer_tables.execute(AUDITED)
    if audited != "nothing":
        issuer_tables.execute(ACCEPTED, [audited])
    done = servicecert("ca", "reconcile", "--json")
    found = [(each["what"], each["key"]) for each in json.loads(done.stdout)["differences"]]
    assert (done.exit_code, found) == (int(is_found), [("not-accepted", case)] * is_found)


def test_F2_an_application_that_waits_or_was_refused_is_compared_too(
    servicecert: Callable[..., Result], issuer_tables: psycopg.Connection
) -> None:
    stopped, refused, withdrawn = (str(uuid4()) for _ in range(3))
    issuer_tables.execute(STOPPED, [stopped])
    for case in (refused, withdrawn):
        issuer_tables.execute(
            "insert into certificates (key, version, state, refusal) values (%s, 1, 'refused', 'validity')", [case]
        )
    issuer_tables.execute(
        "update certificates set application_sha256 = repeat('a', 64) where key = any(%s)", [[stopped, refused]]
    )
    report = read_json(servicecert("ca", "reconcile", "--json"))
    assert {each["key"] for each in report["differences"]} == {stopped, refused}


def test_B2_D4_published_ends_are_compared_and_what_is_void_is_revoked(
    servicecert: Callable[..., Result], issuer_tables: psycopg.Connection, empty_cluster: Cluster
) -> None:
    case = uuid4()
    issuer_tables.execute(INTENDED, [str(case)])
    issuer_tables.execute(AUDITED)
    issuer_tables.execute(ACCEPTED, [None])
    issuer_tables.execute(
        "update certificates set state = 'voided', refusal = 'x', ended_at = now() - interval '25 hours'"
    )
    until = datetime(2090, 1, 1, tzinfo=UTC)
    void = CertificateVoided(
        case_id=case, issuer="test-ec", serial="4a01", serial_decimal="18945", code="x", not_after=until
    )
    topics = (CERTIFICATES, CERTIFICATE_STANDINGS, OCSP_RESPONDERS)
    do(lambda: create_topics(empty_cluster, topics))
    do(lambda: publish(empty_cluster, void))
    done = servicecert("ca", "reconcile", "--published")
    assert (done.exit_code, done.stdout.splitlines()[2:]) == (
        1,
        [
            "1 results of cases are published.",
            f"{case} has been void for 24 hours, but is not revoked",
            "1 differences.",
        ],
    )
    revoked = StandingChanged(issuer="test-ec", serial="4a01", standing=Standing.REVOKED, not_after=until)
    do(lambda: publish(empty_cluster, revoked))
    assert servicecert("ca", "reconcile", "--published").exit_code == 0


BOOKED = """
insert into responder_certificates (issuer, serial, environment, key_sha256, tbs_sha256, not_after, fingerprint)
values ('test-ec', '4a02', 'test', repeat('b', 64), encode(sha256('tbs'), 'hex'), now() + interval '4 days',
        repeat('c', 64))
"""
CERTIFY_AUDITED = """
insert into audit (chain, seq, at, key, entry, hash)
select gen_random_uuid(), 1, now(), 'x', entry::text, sha256('')
from (values
    (json_build_object('intents', json_build_array(json_build_object('kind', 'certify', 'facts',
        json_build_object('issuer', 'test-ec', 'serial', '4a02', 'tbs_sha256', encode(sha256('tbs'), 'hex')))))),
    (json_build_object('happened', json_build_object('result', 'certify', 'facts',
        json_build_object('issuer', 'test-ec', 'serial', '4a02', 'fingerprint', repeat('c', 64)))))
) as e (entry)
"""
PLANTED = """
insert into intents (id, key, kind, data, owner, since)
values (gen_random_uuid(), 'x', 'certify', '{"issuer": "test-ec", "serial": "4a02", "tbs": "SgE="}', 0, now())
"""


def test_f3_responders_certificates_are_compared_and_the_signatures_of_each_ca_are_counted(
    servicecert: Callable[..., Result], issuer_tables: psycopg.Connection, place: Migrated, empty_cluster: Cluster
) -> None:
    issuer_tables.execute(INTENDED, [str(uuid4())])
    issuer_tables.execute("update certificates set state = 'voided', refusal = 'x', ended_at = now()")
    issuer_tables.execute(AUDITED)
    issuer_tables.execute(ACCEPTED, [None])
    with psycopg.connect(place.admin_url, autocommit=True, options="-c search_path=revoker") as tables:
        tables.execute(BOOKED)
        tables.execute("insert into crls (issuer, partition, number, scheduled) values ('test-ec', 0, 1, true)")
        done = servicecert("ca", "reconcile", "--json")
        report = json.loads(done.stdout)
        assert report["signatures"] == {"test-ec": {"certificates": 0, "void": 1, "responders": 1, "CRLs": 0}}
        assert [each["what"] for each in report["differences"]] == ["end-not-audited", "not-audited"]
        tables.execute(CERTIFY_AUDITED)
        done = servicecert("ca", "reconcile")
        assert (done.exit_code, done.stdout.splitlines()[1]) == (
            0,
            "test-ec: signed 0 certificates, 1 void, 1 responders, 0 CRLs",
        )
        tables.execute(PLANTED)
        done = servicecert("ca", "reconcile")
        assert "test-ec/4a02 has an act open that signs other bytes than are intended" in done.stdout
        tables.execute("delete from intents")
    topics = (CERTIFICATES, CERTIFICATE_STANDINGS, OCSP_RESPONDERS)
    do(lambda: create_topics(empty_cluster, topics))
    unknown = ResponderCertified(
        environment=ResponderEnvironment.TEST,
        key_sha256="d" * 64,
        issuer="test-ec",
        serial="4a03",
        fingerprint="e" * 64,
        certificate="MIIB",
        issuer_certificate="MIIB",
        not_after=datetime(2090, 1, 1, tzinfo=UTC),
    )
    do(lambda: publish(empty_cluster, unknown))
    done = servicecert("ca", "reconcile", "--published")
    assert done.exit_code == 1
    assert "test-ec/4a03 is published as a responder's certificate, and is not in the books" in done.stdout


@pytest.mark.parametrize("login", ["operator", "reader"])
def test_f3_operators_and_readers_may_reconcile(
    servicecert: Callable[..., Result],
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    login: str,
) -> None:
    assert servicecert("db", "prepare").exit_code == 0
    assert servicecert("db", "migrate").exit_code == 0
    assert servicecert("db", login, "anna", "--out", tmp_path / "url").exit_code == 0
    monkeypatch.setenv("DATABASE_URL", (tmp_path / "url").read_text().removeprefix("DATABASE_URL=").strip())
    done = servicecert("ca", "reconcile")
    assert (done.exit_code, done.stdout) == (0, "0 differences.\n"), done.stderr
