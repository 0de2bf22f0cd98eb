"""`cases`: the customer's page from the topic `cases` alone (E4)."""

import json
from datetime import UTC, datetime
from io import StringIO
from uuid import UUID, uuid4

import pytest
from cli.by_hand import move
from commandline import do, one_sentence, read_json
from rich.console import Console
from servicecert_cli.connections import kafka
from servicecert_cli.e_service import page_words as words
from servicecert_cli.e_service.page import Page
from servicecert_cli.e_service.publishing import publish
from servicecert_pki.serials import serial_readings
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.export import stored_examples
from servicecert_schemas.topics import CASES
from servicecert_schemas.values import CertificateType, Language

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


def test_E4_the_list_of_an_account_has_its_permits_and_matters_and_no_others(servicecert, published):
    for language in ("sv", "fi", "en"):
        shown = servicecert("cases", "--account", ACCOUNT, "--language", language).stdout
        title, granted, unfinished, closed = (
            shown.index(getattr(each, language))
            for each in (words.TITLE, words.GRANTED, words.UNFINISHED, words.CLOSED)
        )
        permit, matter, refused = (
            shown.index(f"     {id}") for id in (GRANTED["case_id"], RETURNED["case_id"], UUID(int=3))
        )
        assert title <= granted < permit < unfinished < matter < closed < refused
        assert str(UUID(int=4)) not in shown, "of another account"
        assert str(UUID(int=5)) not in shown, "erased"
        assert max(map(len, shown.splitlines())) <= 80
        assert "\x1b" not in shown
    assert "Myönnetyt luvat" in servicecert("cases", "--account", ACCOUNT).stdout, "the newest case is in Finnish"
    unknown = servicecert("cases", "--account", "nobody", "--json")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no case of the account nobody" in one_sentence(unknown.stderr)
    assert "such as account-9900001-8" in unknown.stderr
    found = read_json(servicecert("cases", "--account", ACCOUNT, "--json"))
    newest = {GRANTED["case_id"]: GRANTED["version"], RETURNED["case_id"]: 2, str(UUID(int=3)): 1}
    assert {each["case_id"]: each["version"] for each in found} == newest


@pytest.mark.parametrize("language", Language)
def test_D1_every_line_of_the_page_that_holds_a_serial_number_is_read_as_it(language):
    screen = Console(file=StringIO(), width=80, highlight=False)
    Page(screen, language).opened(valid())
    certificate = valid().certificate
    lines = [line for line in screen.file.getvalue().splitlines() if certificate.serial in line]
    lines += [line for line in screen.file.getvalue().splitlines() if certificate.serial_decimal in line]
    assert len(lines) == 3
    for line in lines:
        assert serial_readings(line) == {int(certificate.serial, 16)}, line


def test_E4_a_permit_opens_as_a_decision_and_a_matter_with_what_is_to_be_mended(servicecert, published):
    text = servicecert("cases", "open", GRANTED["case_id"], "--language", "sv").stdout
    certificate = GRANTED["certificate"]
    assert text.splitlines()[0].split() == ["Beslut", "24.11.2026", "Servercertifikat"]
    for value in (certificate["serial"], certificate["serial_decimal"], "O=Esimerkkilän Lääkäritalo Oy", "beställaren"):
        assert value in text
    assert "Gör begäran om spärrning av certifikatet" in text
    command = f"servicecert revoke {GRANTED['case_id']} --serial {certificate['serial']} --reason no-longer-needed"
    assert command in " ".join(text.replace("\\\n", " ").split())
    assert max(map(len, text.splitlines())) <= 80
    do(lambda: publish(published, view(GRANTED, version=GRANTED["version"] + 1)))
    revoked = servicecert("cases", "open", GRANTED["case_id"], "--language", "en").stdout
    assert "revoked" in revoked
    assert "servicecert revoke" not in revoked
    returned = servicecert("cases", "open", RETURNED["case_id"], "--language", "fi").stdout
    (lack,) = RETURNED["deficiencies"]
    assert f"{lack['field']}: {lack['code']}" in returned
    assert lack["texts"]["fi"] in returned
    assert "Asia 24.11.2026" in returned
    assert read_json(servicecert("cases", "open", RETURNED["case_id"], "--json"))["version"] == 2
    for case_id in (uuid4(), UUID(int=5)):
        done = servicecert("cases", "open", case_id)
        assert done.exit_code == 1
        assert "is unknown" in one_sentence(done.stderr)


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


@pytest.mark.parametrize("language", Language)
def test_E4_a_long_label_does_not_touch_its_value(language):
    screen = Console(file=StringIO(), width=80, highlight=False)
    Page(screen, language).opened(view(RETURNED, lapses=AT))
    label, day = words.LAPSES.in_language(language), words.day(AT, language)
    assert f"{label} {day}" in " ".join(screen.file.getvalue().split())


def test_each_state_type_and_role_has_its_words():
    assert words.STATES.keys() == set(CaseState)
    assert words.TYPES.keys() == set(CertificateType)
    assert words.ROLES.keys() == set(RecipientRole)


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
