"""`cases`: the cases of an account from the topic `cases` alone (E4)."""

import json
import re
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from cli.by_hand import move
from commandline import do, one_sentence, read_json
from servicecert_cli.commands.cases import facts
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import publish
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.export import stored_examples
from servicecert_schemas.serials import serial_readings
from servicecert_schemas.topics import CASES
from servicecert_schemas.values import Language

VIEWS = [each["value"] for each in stored_examples()[CaseChanged.TYPE]]
GRANTED, RETURNED = (next(each for each in VIEWS if each["state"] == state) for state in ("revoked", "returned"))
ACCOUNT = GRANTED["account_id"]
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def view(example, **changes):
    return CaseChanged.model_validate_json(json.dumps({**example, **changes}, default=str))


def valid(**changes):
    """A delivered certificate that is not revoked."""
    history = [each for each in GRANTED["history"] if not each["state"].startswith("revo")]
    return view(GRANTED, **{"state": "delivered", "revocation": None, "answer": None, "history": history, **changes})


async def erase(cluster, case_id):
    async with kafka.producer(cluster) as producer:
        await producer.send_and_wait(cluster.name(CASES), None, key=str(case_id).encode())


@pytest.fixture
def published(cluster):
    """A granted permit, a returned matter, a refused one, one of another account, and one that was erased."""
    refused = view(RETURNED, case_id=UUID(int=3), account_id=ACCOUNT, version=1, state="refused")
    returned = view(RETURNED, account_id=ACCOUNT, version=2)
    other = view(RETURNED, case_id=UUID(int=4), account_id="account-of-another")
    erased = valid(case_id=UUID(int=5))
    do(
        lambda: publish(
            cluster, valid(), refused, returned, view(RETURNED, account_id=ACCOUNT, version=1), other, erased
        )
    )
    do(lambda: erase(cluster, erased.case_id))
    return cluster


def test_E4_the_list_of_an_account_has_its_cases_and_no_others(servicecert, published):
    lines = servicecert("cases", "--account", ACCOUNT).stdout.splitlines()
    assert lines[0].split("   ")[0] == "case"
    assert {tuple(line.split()[:3]) for line in lines[1:]} == {
        (GRANTED["case_id"], "delivered", "nobody"),
        (RETURNED["case_id"], "returned", "applicant"),
        (str(UUID(int=3)), "refused", "applicant"),
    }, "none of another account, and none that was erased"
    unknown = servicecert("cases", "--account", "nobody", "--json")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no case of the account nobody" in one_sentence(unknown.stderr)
    assert "such as account-9900001-8" in unknown.stderr
    found = read_json(servicecert("cases", "--account", ACCOUNT, "--json"))
    newest = {GRANTED["case_id"]: GRANTED["version"], RETURNED["case_id"]: 2, str(UUID(int=3)): 1}
    assert {each["case_id"]: each["version"] for each in found} == newest


def test_the_list_says_where_the_customers_own_page_is(servicecert):
    assert "make portal" in servicecert("cases", "--help").stdout


def test_D1_every_line_that_holds_a_serial_number_is_read_as_it(servicecert, published):
    certificate = valid().certificate
    lines = [
        line
        for line in servicecert("cases", "open", GRANTED["case_id"]).stdout.splitlines()
        if certificate.serial in line or certificate.serial_decimal in line
    ]
    assert len(lines) == 2
    for line in lines:
        assert serial_readings(line) == {int(certificate.serial, 16)}, line


def test_E4_a_case_opens_with_all_that_the_customer_can_know_of_it(servicecert, published):
    text = servicecert("cases", "open", GRANTED["case_id"], "--language", "sv").stdout
    certificate, (mail, *_) = GRANTED["certificate"], GRANTED["deliveries"]
    for value in (certificate["serial"], certificate["serial_decimal"], "O=Esimerkkilän Lääkäritalo Oy"):
        assert value in text
    assert re.search(rf"^    mail +\S+ \S+  {mail['kind']} to {mail['recipient']}", text, re.MULTILINE)
    assert re.search(r"^    state +delivered$", text, re.MULTILINE)
    assert re.search(r"^    acts next +nobody$", text, re.MULTILINE)
    assert " ".join(GRANTED["next_step"]["sv"].split()[:3]) in text
    assert len(re.findall(r"^ {4}(?:history|       ) +\S+ \S+  \S+$", text, re.MULTILINE)) >= 4
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    do(lambda: publish(published, view(GRANTED, version=GRANTED["version"] + 1)))
    revoked = servicecert("cases", "open", GRANTED["case_id"]).stdout
    assert re.search(rf"^    revocation +{GRANTED['revocation']['reason']}$", revoked, re.MULTILINE)
    assert re.search(r"^ +\S+ \S+  published$", revoked, re.MULTILINE)
    returned = servicecert("cases", "open", RETURNED["case_id"]).stdout
    (lack,) = RETURNED["deficiencies"]
    assert f"{lack['field']}: {lack['code']}" in returned
    assert lack["texts"]["fi"].split(".")[0] in " ".join(returned.split())
    assert read_json(servicecert("cases", "open", RETURNED["case_id"], "--json"))["version"] == 2
    for case_id in (uuid4(), UUID(int=5)):
        done = servicecert("cases", "open", case_id)
        assert done.exit_code == 1
        assert "is unknown" in one_sentence(done.stderr)


@pytest.mark.parametrize("language", Language)
def test_A14_what_differs_from_the_certificate_that_is_renewed_is_shown(language):
    texts = dict.fromkeys(Language, "") | {language: "The names differ."}
    differs = {"field": "names.dns", "before": "a", "now": "b", "texts": texts}
    warned = dict.fromkeys(Language, "") | {language: "The same key."}
    renewal = {"serial": "4d8a31f07c5be294", "differences": [differs], "key_reused": warned}
    shown = dict(facts(valid(renewal=renewal, lapses=AT, due=AT), language))
    assert shown["renews"].splitlines() == ["4d8a31f07c5be294", "The names differ.", "The same key."]
    assert shown["lapses"] == shown["due"] == "2026-11-24 14:00"


def test_E4_a_case_that_moved_since_partitions_were_added_by_hand_is_shown_as_it_is_now(servicecert, cluster):
    case_id = str(valid().case_id)
    do(lambda: publish(cluster, valid(version=1), valid(version=3)))
    do(lambda: move(cluster, CASES, case_id))
    assert read_json(servicecert("cases", "open", case_id, "--json"))["version"] == 3
    do(lambda: publish(cluster, view(GRANTED, version=4)))
    assert read_json(servicecert("cases", "open", case_id, "--json"))["version"] == 4
    assert "revoked" in servicecert("watch", case_id, "--until", "revoked", "--timeout", 30).stdout


def test_an_account_or_a_case_is_needed(servicecert):
    assert servicecert("cases").exit_code == 2
    beginning = servicecert("cases", "open", "c5fac9e2")
    assert beginning.exit_code == 2
    assert "'c5fac9e2' is not a valid UUID: give the whole id." in beginning.stderr


def test_E4_an_answer_that_moves_nothing_is_told_by_watch(servicecert, cluster):
    late = {
        "event_id": UUID(int=1),
        "code": "too-late-issued",
        "texts": {"sv": "a", "fi": "Sent.", "en": "Late."},
        "at": AT,
    }
    first = valid(version=1, language="en")
    answered = valid(version=2, language="en", answer=late)
    revoked = view(GRANTED, version=3, language="en")
    do(lambda: publish(cluster, first, answered, revoked))
    lines = servicecert("watch", first.case_id, "--until", "revoked", "--timeout", 30).stdout.splitlines()
    assert [line.split() for line in lines].count(["answer", "Late."]) == 1
