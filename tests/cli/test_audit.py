import asyncio
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from commandline import do, one_sentence
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_schemas import to_record
from servicecert_schemas.audit import AuditCheckpoint
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.chain import Chain
from servicecert_worker.audit.checkpoints import Attestor, read_key, read_public_keys
from servicecert_worker.decider import Result
from servicecert_worker.runtime.record import Arrival, Poison, Record
from servicecert_worker.runtime.turn import Turns
from servicecert_worker.storage import database
from toy import service as toy
from worker.test_fold import arrival

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CASE = UUID(int=1)


@pytest.fixture
def keys(servicecert, tmp_path):
    folder = tmp_path / "keys"
    assert servicecert("audit", "init", folder).stdout.startswith(f"Made 8 files in {folder}")
    return folder


def test_B6_each_service_can_be_given_a_folder_that_holds_its_own_key_alone(servicecert, tmp_path):
    assert servicecert("audit", "init", "--apart", tmp_path / "apart").exit_code == 0
    for service in SERVICES:
        assert {path.name for path in (tmp_path / "apart" / service).iterdir()} == {f"{service}.key", f"{service}.pub"}
    assert len(read_public_keys(tmp_path / "apart")) == len(SERVICES)


@pytest.fixture
def exported(admin_url, keys, tmp_path):
    """Intake's schema with a case's rows, signed; the file holds the checkpoint that was exported."""
    (url,) = database.prepare(admin_url, {"intake": database.new_password()}).values()
    database.migrate(url, "intake", [toy.MIGRATIONS])
    file = tmp_path / "kept.jsonl"
    file.write_bytes(do(partial(_record, url, keys)) + b"\n")
    return file


async def _record(url, keys):
    pool = await database.open_pool(url, "intake")
    chain = Chain("intake", {}, os.urandom)
    await chain.begin(pool, NOW)
    turns = Turns(replace(toy.toy(Path(os.devnull), 0), name="intake"), pool, chain)
    poison = Arrival(Record("applications", 0, 1, None, (), b"", NOW), Poison(uuid4(), str(CASE), "wrong-schema", ""))
    await turns.take([arrival(CASE, "1")], None, NOW, 0, "")
    (row,) = await pool.fetch("select id, key from intents")
    acted = Result(row["id"], row["key"], "act", toy.Act(case_id=str(CASE), number="1"))
    await turns.take([acted, poison], None, NOW, 0, "")
    await Attestor("intake", pool, read_key(keys / "intake.key", "intake"), lambda: NOW).attest()
    payload = await pool.fetchval("select payload from outbox where topic = 'audit-checkpoints'")
    pool.terminate()
    return payload


def test_B6_verify_says_that_nothing_was_changed_or_what_was(servicecert, exported, keys, admin_url):
    command = ("audit", "verify", "--keys", keys, "--exported", exported, "--service", "intake")
    good = servicecert(*command)
    assert good.exit_code == 0, good.output
    assert good.stdout.splitlines()[1].split() == ["intake", "1", "4", "4", "1", "0"]
    assert good.stdout.endswith("No row was changed, deleted, moved or forged.\n")
    do(partial(_tamper, admin_url))
    bad = servicecert(*command)
    assert bad.exit_code == 1
    assert "intake: changed 3 of " in bad.stdout
    (finding,) = json.loads(servicecert(*command, "--json").stdout)["intake"]["findings"]
    assert (finding["kind"], finding["number"]) == ("changed", 3)


async def _tamper(url):
    connection = await asyncpg.connect(url, server_settings={"search_path": "intake"})
    await connection.execute("set session_replication_role = replica")
    await connection.execute("update audit set entry = replace(entry, 'acted-1', 'acted-2') where seq = 3")
    await connection.close()


def test_B6_show_tells_a_case_s_life_in_80_columns(servicecert, exported):
    shown = servicecert("audit", "show", CASE).stdout
    assert max(map(len, shown.splitlines())) <= 80
    first, *rest = (line.strip() for line in shown.splitlines())
    assert first == "2026-11-24 12:00:00.000  intake    application.withdrawn"
    assert rest[:3] == [
        "publishes certificate.refused: code n1",
        "intends act",
        "sets deadline wake: 2026-11-24T12:00:00.200000Z",
    ]
    assert "result of act" in rest[3]
    assert [row["service"] for row in json.loads(servicecert("audit", "show", CASE, "--json").stdout)] == ["intake"] * 3
    assert "is parked: wrong-schema" in shown


def test_what_is_not_there_is_told(servicecert, exported, keys, tmp_path):
    verify = ("audit", "verify", "--keys", keys, "--exported")
    (tmp_path / "other").write_text("{}\n")
    for command, code, sentence in (
        (("audit", "show", "3A:F0"), 1, "Nothing is recorded about 3A:F0"),
        ((*verify, tmp_path / "nothing"), 66, "cannot be read"),
        ((*verify, tmp_path / "other"), 65, "does not hold checkpoints"),
    ):
        done = servicecert(*command)
        assert done.exit_code == code
        assert sentence in one_sentence(done.stderr)


def test_B6_what_was_exported_can_be_kept_elsewhere(servicecert, cluster, exported):
    checkpoint = AuditCheckpoint.model_validate_json(exported.read_bytes())
    record = to_record(checkpoint, source="/intake", id=uuid4(), time=NOW)

    async def publish():
        async with kafka.producer(cluster) as producer:
            await send(producer, cluster, [record])

    asyncio.run(publish())
    assert servicecert("audit", "export").stdout.encode() == exported.read_bytes()
