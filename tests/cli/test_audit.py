import asyncio
import json
import os
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from commandline import do, one_sentence, read_json
from identities import any_signer
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_schemas.codec import Record as CodecRecord
from servicecert_schemas.codec import to_record
from servicecert_schemas.export import stored_examples
from servicecert_schemas.operators import AuditCheckpoint
from servicecert_worker.audit.chain import Chain
from servicecert_worker.audit.checkpoints import Attestor, Checkpoint
from servicecert_worker.core.decider import Result
from servicecert_worker.core.record import Arrival, Poison, Record
from servicecert_worker.core.service_keys import key_id, read_key
from servicecert_worker.runtime.turn import Turns
from servicecert_worker.storage import database
from toy import service as toy
from worker.test_fold import arrival

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CASE = UUID(int=1)
TABLES = {"intake": [toy.MIGRATIONS]}


@pytest.fixture
def keys(servicecert, tmp_path):
    folder = tmp_path / "keys"
    assert len(read_json(servicecert("service-keys", folder, "--json"))["made"]) == 8
    return folder


@pytest.fixture
def exported(place, keys, tmp_path):
    """Intake's schema with a case's rows, signed; the file holds the checkpoint that was exported."""
    file = tmp_path / "kept.jsonl"
    file.write_bytes(do(partial(_record, place.urls["intake"], keys)) + b"\n")
    return file


async def _record(url, keys):
    pool = await database.open_pool(url, "intake")
    chain = Chain("intake", {}, os.urandom)
    await chain.begin(pool, NOW)
    turns = Turns(replace(toy.toy(Path(os.devnull), 0), name="intake"), pool, chain, any_signer("intake"))
    poison = Arrival(Record("applications", 0, 1, None, (), b"", NOW), Poison(uuid4(), str(CASE), "wrong-schema", ""))
    await turns.take([arrival(CASE, "1")], None, NOW, 0, "")
    (row,) = await pool.fetch("select id, key from intents")
    acted = Result(row["id"], row["key"], "act", toy.Act(case_id=str(CASE), number="1"))
    await turns.take([acted, poison], None, NOW, 0, "")
    await Attestor("intake", pool, read_key(keys / "intake.key", "intake"), lambda: NOW).attest()
    payload = await pool.fetchval("select payload from outbox where topic = 'audit-checkpoints'")
    pool.terminate()
    return payload


def test_B6_verify_says_that_nothing_was_changed_or_what_was(servicecert, exported, keys, place):
    command = ("audit", "verify", "--keys", keys, "--exported", exported, "--service", "intake")
    good = servicecert(*command)
    assert good.exit_code == 0, good.output
    assert good.stdout.splitlines()[1].split() == ["intake", "1", "4", "4", "1", "0"]
    assert good.stdout.endswith("No row was changed, deleted, moved or forged.\n")
    do(partial(_tamper, place.admin_url))
    bad = servicecert(*command)
    assert bad.exit_code == 1
    assert "intake: changed 3 of " in bad.stdout
    (finding,) = read_json(servicecert(*command, "--json"))["intake"]["findings"]
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
    assert rest[0] == "publishes certificate.refused: code n1"
    assert rest[1].startswith("publishes certificate.intended: issuer toy, serial 01")
    acts = rest.index("intends act")
    assert rest[acts : acts + 2] == [
        "intends act",
        "sets deadline wake: 2026-11-24T12:00:00.200000Z",
    ]
    assert "result of act" in rest[acts + 2]
    assert [row["service"] for row in read_json(servicecert("audit", "show", CASE, "--json"))] == ["intake"] * 3
    assert "is parked: wrong-schema" in shown


def test_what_is_not_there_is_told(servicecert, exported, keys, tmp_path):
    verify = ("audit", "verify", "--keys", keys, "--exported")
    (tmp_path / "other").write_text("{}\n")
    (tmp_path / "empty").touch()
    for command, code, sentence in (
        (("audit", "show", "3A:F0"), 1, "Nothing is recorded about 3A:F0"),
        (("audit", "show", "3A:F0", "--json"), 1, "Nothing is recorded about 3A:F0"),
        ((*verify, tmp_path / "nothing"), 66, "cannot be read"),
        ((*verify, tmp_path / "other"), 65, "does not hold checkpoints"),
        ((*verify, tmp_path / "empty"), 65, "no checkpoint signed by intake, issuer, revoker, notifier"),
        ((*verify, exported), 65, "no checkpoint signed by issuer, revoker, notifier and proves nothing about them"),
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

    none = servicecert("audit", "export")
    assert none.exit_code == 1
    assert "The topic holds no checkpoints" in one_sentence(none.stderr)
    asyncio.run(publish())
    done = servicecert("audit", "export")
    assert done.stdout.encode() == exported.read_bytes()
    assert done.stderr == "Exported 1 checkpoints: intake 1.\n"


def junk(checkpoint, **changes):
    """Return the record of a checkpoint with changed fields, as whoever may write to the topic could send it."""
    return to_record(checkpoint.model_copy(update=changes), source="/notifier", id=uuid4(), time=NOW)


def raw(value, *, like):
    record = to_record(like, source="/notifier", id=uuid4(), time=NOW)
    return CodecRecord(record.topic, record.key, record.headers, value)


@pytest.fixture
def attacked(cluster, exported, keys):
    """The topic with the good checkpoint, and everything else that its writers and others could put there."""
    good = AuditCheckpoint.model_validate_json(exported.read_bytes())
    foreign = read_key(keys / "notifier.key")
    forged = good.text.replace('"number":1', '"number":7')
    texts = {
        "nested": "[" * 90_000,
        "infinite": '{"service":"intake","number":Infinity,"at":"2026-11-24","previous":"","heads":{}}',
        "huge": '{"service":"intake","number":' + "9" * 4_000 + ',"at":"2026-11-24","previous":"","heads":{}}',
        "no checkpoint": "null",
    }
    wrong = to_record(good, source="/notifier", id=uuid4(), time=NOW)
    issued = stored_examples()["servicecert.certificate.issued.v1"][0]
    records = [
        raw(b"not JSON", like=good),
        raw(b"{" * 100_000, like=good),
        raw(b" " * 300_000, like=good),
        raw(b'{"number":' + b"9" * 5_000 + b"}", like=good),
        raw(None, like=good),
        CodecRecord(wrong.topic, b"k", [], b"{}"),
        CodecRecord(
            wrong.topic,
            issued["key"].encode(),
            [(name, text.encode()) for name, text in issued["headers"].items()],
            json.dumps(issued["value"]).encode(),
        ),
        *(junk(good, text=text, number=9) for text in texts.values()),
        junk(good, number=2),
        junk(good, text=forged, number=7),
        junk(good, text=forged, number=7, key_id="0" * 64),
        junk(good, text=forged, number=7, key_id=key_id(foreign.public_key()), signature=signed(foreign, forged)),
        junk(good, service="nobody"),
        to_record(good, source="/intake", id=uuid4(), time=NOW),
        to_record(good, source="/intake", id=uuid4(), time=NOW),
    ]

    async def publish():
        async with kafka.producer(cluster) as producer:
            await send(producer, cluster, records)

    do(publish)
    return good


def signed(key, text):
    return b64encode(key.sign(b"servicecert checkpoint v1\n" + text.encode())).decode()


IGNORED = {
    "invalid-signature": 5,
    "key-of-another-service": 1,
    "misnamed": 1,
    "no-event": 1,
    "no-value": 1,
    "too-large": 2,
    "unknown-key": 1,
    "unknown-service": 1,
    "wrong-schema": 2,
    "wrong-topic": 1,
}


def test_f5_verify_survives_counts_and_ignores_what_others_put_among_the_checkpoints(servicecert, attacked, keys):
    """No finding follows from it: otherwise any writer of the topic could keep the audit in alarm for ever."""
    command = ("audit", "verify", "--keys", keys, "--service", "intake")
    result = read_json(servicecert("audit", "verify", *command[2:], "--json"))
    assert result["ignored"] == IGNORED
    assert result["intake"]["findings"] == []
    assert result["intake"]["attested"] == 4
    shown = servicecert(*command)
    assert shown.exit_code == 0
    assert (
        f"Ignored {sum(IGNORED.values())} records that are no checkpoints signed by the service they name: "
        in shown.stdout
    )
    assert "invalid-signature 5, key-of-another-service 1, misnamed 1, no-event 1" in shown.stdout


def test_f5_export_survives_and_counts_what_is_no_checkpoint(servicecert, attacked, exported):
    result = servicecert("audit", "export")
    assert result.exit_code == 0
    assert exported.read_bytes().decode() in result.stdout
    assert "Left out 7 records that are no checkpoints: no-event 1, no-value 1, too-large 2, wrong-schema 2" in (
        " ".join(result.stderr.split())
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 90_000,
        "null",
        "{}",
        '{"service":"intake","number":1,"at":"2026-11-24","previous":"","heads":{"x":[1,"00"]}}',
        '{"service":"intake","number":1,"at":"x","previous":"","heads":{}}',
        '{"service":"intake","number":1e999,"at":"2026-11-24","previous":"","heads":{}}',
        '{"service":"intake","number":' + "9" * 5_000 + ',"at":"2026-11-24","previous":"","heads":{}}',
        json.dumps(
            {
                "service": "intake",
                "number": 1,
                "at": "2026-11-24",
                "previous": "",
                "heads": {str(CASE): [2**63, "0" * 64]},
            }
        ),
    ],
    ids=lambda text: text[-40:],
)
def test_f5_whatever_a_text_is_it_is_a_checkpoint_or_not(text):
    with pytest.raises(ValueError):  # noqa: PT011 -- also that of json
        Checkpoint.read(text)


def test_f5_a_signed_checkpoint_of_another_service_s_name_or_of_no_form_is_said_and_not_trusted(
    servicecert, exported, keys, cluster, tmp_path
):
    """A service signs with its own key whatever it wants: it vouches for no other, and stops no verification."""
    good = AuditCheckpoint.model_validate_json(exported.read_bytes())
    own = read_key(keys / "intake.key")
    texts = {3: good.text.replace('"service":"intake"', '"service":"issuer"'), 4: "[" * 90_000}
    file = tmp_path / "more.jsonl"
    lines = [
        good.model_copy(update={"text": text, "number": number, "signature": signed(own, text)}).model_dump_json()
        for number, text in texts.items()
    ]
    file.write_text("\n".join([exported.read_text().strip(), *lines]) + "\n")
    command = ("audit", "verify", "--keys", keys, "--exported", file, "--service", "intake", "--json")
    result = json.loads(servicecert(*command).stdout)
    assert result["ignored"] == {"misnamed": 1, "unreadable": 1}
    assert result["intake"]["findings"] == []
    assert result["intake"]["attested"] == 4
