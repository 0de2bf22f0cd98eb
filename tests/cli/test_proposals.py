"""D2, D6: `proposals`, `incident`, `keys block` and `db operator`, and their messages for expected mistakes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import psycopg
import pytest
from commandline import do, one_sentence, read_json
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from recycling import Migrated
from servicecert_pki import der
from servicecert_pki.spki import spki_sha256
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.status import Valid
from servicecert_revoker.service import MIGRATIONS
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.core.decider import Stored

KEY = ec.derive_private_key(7, ec.SECP384R1())
SPKI = spki_sha256(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
FIRST = 1 << 126
CASES = [str(UUID(int=number)) for number in (1, 2)]
ISSUED_AT = datetime(2026, 11, 1, tzinfo=UTC)


def one(connection: psycopg.Connection, query: str):
    """The one value of a query."""
    (row,) = connection.execute(query).fetchall()
    return row[0]


def certificate(number: int, **changes) -> Certificate:
    about = {
        "issuer": "test-ec",
        "serial": f"{FIRST + number:x}",
        "account_id": f"account-{number % 2}",
        "subject": "CN=kanta.example.fi,C=FI",
        "issued_at": ISSUED_AT + timedelta(days=number),
        "not_after": datetime(2090, 1, 1, tzinfo=UTC),
        "language": Language.FINNISH,
        "recipients": (),
        "key_sha256": f"{number:064x}",
        "type": CertificateType.SERVER,
        "profile": "server",
        "profile_version": 1,
    }
    return Certificate(**{**about, **changes})


@pytest.fixture
def place(migrated: Callable[..., Migrated]) -> Migrated:
    """A database with the revoker's tables, as after its first start."""
    return migrated(revoker=[MIGRATIONS])


@pytest.fixture
def admin_url(place: Migrated) -> str:
    return place.admin_url


@pytest.fixture
def revoker(place: Migrated) -> str:
    return place.urls["revoker"]


@pytest.fixture
def stocked(revoker, admin_url, servicecert, monkeypatch, tmp_path):
    """A revoker with ten certificates and two operators: yields a connection to its tables, and the operators' URLs."""
    states = [certificate(number) for number in range(1, 10)]
    states.append(certificate(10, key_sha256=SPKI, type=CertificateType.TEST_SERVER, profile_version=2))
    stored = [Stored(f"00000000-0000-0000-0000-{number:012d}", 0, Valid(each)) for number, each in enumerate(states, 1)]

    async def save() -> None:
        connection = await asyncpg.connect(revoker)
        async with connection.transaction():
            await RevocationStore().save(connection, stored)
        await connection.close()

    do(save)
    monkeypatch.setenv("DATABASE_URL", admin_url)
    urls = {}
    for name in ("anna", "bertil"):
        file = tmp_path / f"{name}-url"
        assert servicecert("db", "operator", name, "--out", file).exit_code == 0
        assert file.stat().st_mode & 0o077 == 0
        urls[name] = file.read_text().removeprefix("DATABASE_URL=").strip()
    with psycopg.connect(revoker, autocommit=True) as connection:
        yield connection, urls


def test_D2_incident_is_planned_proposed_and_confirmed_by_another(
    stocked, servicecert, monkeypatch, tmp_path, admin_url
):
    connection, urls = stocked
    monkeypatch.setenv("DATABASE_URL", urls["anna"])
    serials = tmp_path / "serials"
    serials.write_text(
        f"# lost\n0x{FIRST + 1:X}\n\nserial=00:{(FIRST + 2).to_bytes(16).hex(':')}\n{FIRST + 3}\n{FIRST + 10:x}\n"
    )
    plan = tmp_path / "plan.json"
    planned = read_json(servicecert("incident", "plan", "--serials", serials, "--out", plan, "--json"))
    assert planned["counts"] == [
        {"type": "server", "issuer": "test-ec", "certificates": 3, "accounts": 2},
        {"type": "test-server", "issuer": "test-ec", "certificates": 1, "accounts": 1},
    ]
    narrowed = servicecert(
        *("incident", "plan", "--type", "server", "--ca", "test-ec", "--profile", "server", "--profile-version", 1),
        *(
            "--issued-from",
            "2026-11-03",
            "--issued-until",
            "2026-11-06",
            "--account",
            "account-0",
            "--out",
            tmp_path / "n",
        ),
    )
    assert "2 valid certificates" in narrowed.stdout
    options = (plan, "--reason", "key-exposed", "--why", "incident 7", "--rate", 120)
    assert "Would propose to revoke 4 certificates in" in servicecert("incident", "propose", *options).stdout
    assert one(connection, "select count(*) from proposals") == 0
    proposal = read_json(servicecert("incident", "propose", *options, "--yes", "--json"))
    assert (proposal["total"], proposal["state"]) == (4, "unconfirmed")
    refused = servicecert("proposals", "confirm", proposal["id"], "--yes")
    assert refused.exit_code == 77
    assert "another operator" in one_sentence(refused.stderr)
    monkeypatch.setenv("DATABASE_URL", urls["bertil"])
    assert proposal["id"] in servicecert("proposals", "show", proposal["id"]).stdout
    assert read_json(servicecert("proposals", "show", proposal["id"], "--json"))["standings"] == {"valid": 4}
    assert "add --yes" in servicecert("proposals", "confirm", proposal["id"]).stdout
    unconfirmed = read_json(servicecert("proposals", "confirm", proposal["id"], "--json"))
    assert (unconfirmed["certificates"], unconfirmed["confirmed"]) == (4, False)
    assert "120 a minute" in servicecert("proposals", "confirm", proposal["id"], "--yes").stdout
    assert servicecert("proposals", "confirm", proposal["id"], "--yes").exit_code == 1
    assert one(connection, "select key from deadlines") == f"proposal/{proposal['id']}"
    shown = servicecert("incident", "show", proposal["id"])
    assert shown.stdout.startswith("running: revocation requested for 0 of 4 certificates")
    assert read_json(servicecert("incident", "show", proposal["id"], "--json"))["minutes_until_all_requested"] == 0
    (listed,) = read_json(servicecert("proposals", "list", "--json"))
    assert (listed["proposed_by"][-4:], listed["confirmed_by"][-6:]) == ("anna", "bertil")
    # B6: what they did is found by the proposal, and by each of its cases.
    monkeypatch.setenv("DATABASE_URL", admin_url)
    for what in (f"proposal/{proposal['id']}", "00000000-0000-0000-0000-000000000001"):
        rows = read_json(servicecert("audit", "show", what, "--json"))
        acts = [row["entry"]["happened"] for row in rows]
        assert [(act["command"], act["facts"]["operator"]) for act in acts] == [
            ("proposals propose", listed["proposed_by"]),
            ("proposals confirm", listed["confirmed_by"]),
        ]
    assert "command proposals confirm" in servicecert("audit", "show", f"proposal/{proposal['id']}").stdout


def test_D6_key_that_was_found_is_proposed_from_the_private_key_itself(stocked, servicecert, monkeypatch, tmp_path):
    connection, urls = stocked
    monkeypatch.setenv("DATABASE_URL", urls["anna"])
    leaked = tmp_path / "leaked.pem"
    leaked.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    dry = servicecert("keys", "block", leaked)
    assert f"Would block the key {SPKI} for good and revoke 1 certificates" in dry.stdout
    assert servicecert("keys", "block", leaked, "--yes").exit_code == 2, "the record wants a reference"
    proposal = read_json(servicecert("keys", "block", leaked, "--why", "found", "--yes", "--json"))
    assert (proposal["kind"], proposal["key_sha256"], proposal["total"]) == ("key", SPKI, 1)
    assert read_json(servicecert("proposals", "drop", proposal["id"], "--json"))["dropped"]
    assert servicecert("proposals", "drop", proposal["id"]).exit_code == 1
    connection.execute("insert into compromised_keys (key_sha256, source) values (%s, 'x')", [SPKI])
    (key,) = read_json(servicecert("keys", "exposed", "--json"))
    assert (key["key_sha256"], key["valid"], key["revoked"]) == (SPKI, 1, 0)
    assert SPKI in servicecert("keys", "exposed").stdout


def test_D2_withdrawal_is_proposed_by_an_operator_alone(stocked, servicecert, monkeypatch):
    connection, urls = stocked
    case = "00000000-0000-0000-0000-000000000001"
    assert "withdraw 1 certificates" in servicecert("proposals", "withdraw", case, "--why", "x").stdout
    assert read_json(servicecert("proposals", "withdraw", case, "--why", "x", "--json")) == {"certificates": 1}
    monkeypatch.setenv("DATABASE_URL", urls["anna"])
    done = servicecert("proposals", "withdraw", case, "--why", "decision 2026/117", "--yes")
    assert "Another operator confirms it with" in done.stdout
    assert one(connection, "select reason from proposals") == "privilege-withdrawn"
    with psycopg.connect(urls["anna"]) as anna, pytest.raises(psycopg.errors.InsufficientPrivilege):
        anna.execute("select * from statuses")


def test_D2_an_operators_own_tables_never_stand_in_for_the_revokers(stocked):
    connection, urls = stocked
    with psycopg.connect(urls["anna"], autocommit=True) as anna:
        anna.execute("create temporary table proposals (like revoker.proposals including defaults)")
        anna.execute("grant all on proposals to public")
        anna.execute(
            """
            create function pg_temp.seize() returns trigger language plpgsql as $$
            begin
                alter table revoker.proposals disable trigger user;
                return new;
            end $$
            """
        )
        anna.execute("create trigger seize before insert on proposals for each row execute function pg_temp.seize()")
        anna.execute("select propose(gen_random_uuid(), 'withdrawal', 'privilege-withdrawn', 'x', null, 600, '{}')")
    disabled = "tgrelid = 'proposals'::regclass and not tgisinternal and tgenabled <> 'O'"
    assert one(connection, f"select count(*) from pg_trigger where {disabled}") == 0
    assert one(connection, "select count(*) from proposals") == 1
    unsafe = "select count(*) from pg_proc where prosecdef and not coalesce(proconfig::text, '') like '%pg_temp%'"
    assert one(connection, unsafe) == 0


def test_D2_a_login_is_proposed_by_one_operator_and_confirmed_by_another(
    stocked, servicecert, monkeypatch, tmp_path, admin_url
):
    _, urls = stocked
    out = tmp_path / "carla-url"
    made = servicecert("proposals", "credential", "carla", "--out", out)
    number = made.stdout.split()[-1]
    assert out.stat().st_mode & 0o077 == 0
    again = servicecert("proposals", "credential", "carla", "--out", out)
    assert (again.exit_code, again.stdout) == (73, "")
    assert "already exists" in one_sentence(again.stderr)
    other = tmp_path / "other-url"
    out.with_name("other-url.verifier").touch()
    assert "already exists" in one_sentence(servicecert("proposals", "credential", "carla", "--out", other).stderr)
    assert not other.exists()
    monkeypatch.setenv("DATABASE_URL", urls["anna"])
    operator = ("proposals", "operator", "add", "carla", "--why", "ticket 12")
    assert servicecert(*operator).exit_code == 2
    verifier = out.with_name("carla-url.verifier")
    assert "PRIVATE" not in verifier.read_text()
    proposal = read_json(servicecert(*operator, "--verifier", verifier, "--json"))
    assert proposal["verifier_sha256"] == number
    monkeypatch.setenv("DATABASE_URL", urls["bertil"])
    assert number in servicecert("proposals", "confirm", proposal["id"]).stdout
    assert "operator_carla is added" in servicecert("proposals", "confirm", proposal["id"], "--yes").stdout
    monkeypatch.setenv("DATABASE_URL", out.read_text().removeprefix("DATABASE_URL=").strip())
    id = read_json(servicecert("proposals", "operator", "remove", "bertil", "--why", "has left", "--json"))["id"]
    monkeypatch.setenv("DATABASE_URL", urls["anna"])
    assert "operator_bertil would be removed; add --yes" in servicecert("proposals", "confirm", id).stdout
    assert servicecert("proposals", "confirm", id, "--yes").exit_code == 0
    assert [bool(it["removed_at"]) for it in read_json(servicecert("proposals", "operators", "--json"))] == [
        False,
        True,
        False,
    ]
    assert "operator_carla" in servicecert("proposals", "operators").stdout
    assert "operator_carla" in servicecert("proposals", "list", "--all").stdout
    monkeypatch.setenv("DATABASE_URL", admin_url)
    for more in (("--verifier", verifier), ("--certificate",), ("--out", tmp_path / "x")):
        refused = servicecert("db", "operator", "dora", *more)
        assert refused.exit_code == 77
        assert "There are two operators already" in one_sentence(refused.stderr)
    assert servicecert("db", "operator", "dora").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("incident", "plan", "--serials", "missing", "--out", "p"), 66, "cannot be read"),
        (("incident", "plan", "--serials", "bad", "--out", "p"), 65, "line 1: not a serial number"),
        (("incident", "plan", "--key-file", "bad", "--out", "p"), 65, "holds no readable key"),
        (("incident", "plan", "--key-file", "strange", "--out", "p"), 65, "holds no readable key"),
        (("incident", "plan", "--ca", "test-ec", "--out", "none/p"), 73, "cannot be written"),
        (("incident", "plan", "--ca", "x", "--out", "p"), 1, "no certificate of the CA x: there are test-ec."),
        (("incident", "plan", "--profile", "x", "--out", "p"), 1, "no certificate of the profile x: there are server."),
        (
            ("incident", "plan", "--profile-version", "3", "--out", "p"),
            1,
            "no certificate of the profile version 3: there are 1, 2.",
        ),
        (("incident", "plan", "--account", "x", "--out", "p"), 1, "no certificate of the account x"),
        (("incident", "plan", "--key", "x", "--out", "p"), 1, "no certificate of the key x"),
        (("incident", "plan", "--issued-from", "2090-01-01", "--out", "p"), 1, "meets all conditions"),
        (("incident", "plan", "--serials", "some", "--out", "p"), 1, "no certificate with the serial number 4b01"),
        (("incident", "propose", "empty", "--reason", "key-exposed", "--why", "x"), 65, "has no certificate"),
        (("incident", "propose", "other", "--reason", "key-exposed", "--why", "x"), 1, str(UUID(int=77))),
        (("proposals", "withdraw", *CASES, str(UUID(int=77)), "--why", "x"), 1, str(UUID(int=77))),
        (("incident", "propose", "bad", "--reason", "key-exposed", "--why", "x"), 65, "is not a plan"),
        (("incident", "propose", "missing", "--reason", "key-exposed", "--why", "x"), 66, "cannot be read"),
        (("proposals", "show", "00000000-0000-0000-0000-000000000001"), 1, "There is no proposal"),
        (("db", "operator", "Anna B", "--out", "u"), 2, "is not a valid name"),
    ],
)
def test_foreseeable_mistakes_are_one_sentence(
    stocked, servicecert, monkeypatch, tmp_path: Path, arguments, code, says
):
    monkeypatch.chdir(tmp_path)
    Path("bad").write_text("no number\n")
    Path("some").write_text(f"{FIRST + 1:x}\n4b01\n")
    Path("empty").write_text('{"certificates": []}')
    Path("other").write_text(json.dumps({"certificates": [{"case": str(UUID(int=number))} for number in (1, 77)]}))
    of_no_known_kind = der.sequence(der.sequence(der.oid("1.2.3.4")), der.bit_string(b"key"))
    Path("strange").write_bytes(of_no_known_kind)
    done = servicecert(*arguments)
    assert done.exit_code == code
    assert says in one_sentence(done.stderr)
    assert not Path("p").exists()


def test_a_withdrawal_of_what_is_not_valid_any_more_is_refused(stocked, servicecert):
    connection, _ = stocked
    connection.execute("update statuses set standing = 'revoked' where key = %s", (CASES[0],))
    done = servicecert("proposals", "withdraw", CASES[0], "--why", "x")
    assert done.exit_code == 1
    assert "valid any more" in one_sentence(done.stderr)
    assert "Would propose to withdraw 2" in servicecert("proposals", "withdraw", *CASES, "--why", "x").stdout


@pytest.mark.parametrize(
    "arguments",
    [("incident", "plan", "--out", "p"), ("incident", "plan", "--key", "a", "--key-file", "b", "--out", "p")],
)
def test_plan_without_a_condition_or_with_two_keys_is_wrong_usage(servicecert, arguments):
    assert servicecert(*arguments).exit_code == 2


def test_operator_before_the_database_is_prepared_is_one_sentence(servicecert, database_url, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", database_url)
    done = servicecert("db", "operator", "anna", "--out", tmp_path / "u")
    assert done.exit_code == 78
    assert "run `servicecert db prepare`, then `servicecert db migrate`" in one_sentence(done.stderr)
