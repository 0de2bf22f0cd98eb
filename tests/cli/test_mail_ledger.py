"""The operators' commands on mails: list, show, resend (C3)."""

import json
import os
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest
from commandline import do, one_sentence, read_json
from servicecert_notifier.domain.ledger import Ledger, Mailing, planned
from servicecert_notifier.domain.reminders import NOTHING_PREPARED
from servicecert_notifier.domain.settling import settled, woken
from servicecert_notifier.domain.task import IssuedContent, MailOutcome, MailState
from servicecert_notifier.operator.samples import example
from servicecert_notifier.service import MIGRATIONS
from servicecert_notifier.storage.prepare import Prepare
from servicecert_notifier.storage.store import LedgerStore
from servicecert_revoker.service import MIGRATIONS as REVOKER_MIGRATIONS
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Due, Result, Stored

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ISSUED = example(CertificateIssued)
CASE = str(ISSUED.case_id)


TABLES = {"notifier": [MIGRATIONS], "revoker": [REVOKER_MIGRATIONS]}
"""What `place` has."""


@pytest.fixture
def admin_url(place):
    return place.admin_url


@pytest.fixture
def ledger(place, admin_url, as_operator):
    """The environment names an operator. The notifier's ledger has a refused mail and one that is being sent."""
    url = place.urls["notifier"]
    as_operator()
    content = IssuedContent.model_validate(ISSUED, from_attributes=True)
    occasion = Mailing(content, "0a", Language.SWEDISH, ISSUED.recipients[:2], NOW, NOW + timedelta(days=1))
    found = planned(Ledger(ISSUED.case_id), occasion)
    outcome = MailOutcome(
        mail_id=found.intents[0].data.mail_id,
        state=MailState.REFUSED,
        answer="550 5.1.1",
        relay="mail.example.fi:587",
        attempts=1,
        at=NOW,
    )
    after = settled(found.state, Result(outcome.mail_id, CASE, "mail", outcome), NOW).state
    do(lambda: on(url, lambda connection: LedgerStore().save(connection, [Stored(CASE, 0, after)])))
    return admin_url, [str(row.mail_id) for row in after.rows]


async def on(url, work):
    connection = await asyncpg.connect(url, server_settings={"search_path": "notifier"})
    try:
        return await work(connection)
    finally:
        await connection.close()


async def decide(connection):
    """Return the notifier's decision on the operators' requests."""
    row = await connection.fetchrow("select id, key, kind, at from deadlines")
    due = Due(row["id"], row["key"], row["kind"], row["at"])
    (stored,) = await LedgerStore().load(connection, [CASE])
    prepared = await Prepare(None, lambda: NOW)(connection, [due], {CASE: stored}, NOTHING_PREPARED)
    return woken(stored.state, due, prepared, NOW)


def test_C3_mails_are_listed_by_what_narrows(servicecert, ledger):
    _, (refused, planned) = ledger
    shown = servicecert("mail", "list").stdout
    assert "550 5.1.1" in shown
    assert shown.endswith("2 mails.\n")
    assert [each["attempts"] for each in read_json(servicecert("mail", "list", "--json"))] == [0, 1]
    for words, ids in (
        (("--state", "refused"), [refused]),
        (("--state", "deferred"), []),
        (("--case", CASE, "--kind", "certificate-issued"), [planned, refused]),
        (("--since", "2026-11-25"), []),
        (("--since", "2026-11-24T12:00:00+0200", "--limit", "1"), [planned]),
    ):
        assert [each["mail_id"] for each in json.loads(servicecert("mail", "list", *words, "--json").stdout)] == ids


def test_C3_a_mail_is_shown_with_its_times_and_the_answer_s_code(servicecert, ledger):
    _, (refused, _) = ledger
    shown = servicecert("mail", "show", refused).stdout
    assert "550 5.1.1" in shown
    assert "@" not in shown
    assert read_json(servicecert("mail", "show", refused, "--json"))["settled_at"] == str(NOW)


def test_C3_a_mail_is_sent_again_through_the_decider_and_on_record(servicecert, ledger):
    url, (refused, _) = ledger
    result = read_json(servicecert("mail", "resend", refused, "--reason", "the mailbox was full", "--json"))
    decision = do(lambda: on(url, decide))
    (intent,) = decision.intents
    assert str(intent.data.mail_id) == result["again"]
    assert intent.data.recipient == ISSUED.recipients[0]
    assert decision.state.row(intent.data.mail_id).reason == "the mailbox was full"
    noted = do(lambda: on(url, lambda c: c.fetchval("select entry from audit where key = $1", CASE)))
    login = urlsplit(os.environ["DATABASE_URL"]).username
    facts = {"operator": login, "mail": refused, "as": result["again"]}
    assert json.loads(noted)["happened"] == {"command": "mail resend", "facts": facts}


def test_C3_refused_mails_are_counted_first_and_then_all_sent_again_once(servicecert, ledger):
    url, (refused, _) = ledger
    words = ("mail", "resend", "--refused-since", "2026-11-24", "--relay", "mail.example.fi", "--reason", "relaying")
    shown = servicecert(*words).stdout
    domain = ISSUED.recipients[0].email.rpartition("@")[2]
    assert ["certificate-issued", f"***@{domain}", "1"] in [line.split() for line in shown.splitlines()]
    assert shown.endswith("1 mails would be sent again; add --yes to do it.\n")
    assert not do(lambda: on(url, lambda c: c.fetchval("select exists (select from notices)")))
    assert servicecert(*words, "--yes").stdout.endswith("1 mails will be sent again: see `servicecert mail list`.\n")
    (intent,) = do(lambda: on(url, decide)).intents
    assert intent.data.recipient == ISSUED.recipients[0]
    facts = json.loads(do(lambda: on(url, lambda c: c.fetchval("select entry from audit where key = $1", CASE))))
    assert facts["happened"]["facts"]["mail"] == refused
    again = json.loads(servicecert(*words, "--yes", "--json").stdout)
    assert again == {"selected": [], "left": {}, "requested": 0}


@pytest.mark.parametrize(
    ("since", "relay", "mails"),
    [
        ("2026-11-24T10:00:00", "mail.example.fi:587", 1),
        ("2026-11-24T10:00:01", "mail.example.fi", 0),
    ],
)
def test_C3_refused_mails_are_chosen_by_their_time_and_server(servicecert, ledger, since, relay, mails):
    words = ("mail", "resend", "--refused-since", since, "--relay", relay, "--reason", "relaying", "--json")
    assert sum(each["mails"] for each in json.loads(servicecert(*words).stdout)["selected"]) == mails


@pytest.mark.parametrize("relay", ["mail.example.fi:25", "other.example.fi"])
def test_a_mail_server_that_refused_nothing_is_refused_with_those_that_did(servicecert, ledger, relay):
    done = servicecert("mail", "resend", "--refused-since", "2026-11-24", "--relay", relay, "--reason", "relaying")
    assert done.exit_code == 1
    assert f"{relay}: there are mail.example.fi:587." in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ("delete from orders", "its content was erased"),
        (
            "insert into mails (mail_id, case_id, kind, occasion, recipient, place, planned_at, state, attempts,"
            " answer, settled_at) select gen_random_uuid(), case_id, 'certificate-revoked', 'later', recipient, place,"
            " planned_at, 'given-up', attempts, answer, settled_at from mails where state = 'refused'",
            "a later mail of its case makes it outdated",
        ),
    ],
)
def test_C3_a_refused_mail_that_makes_no_sense_any_more_is_left_out(servicecert, ledger, change, obstacle):
    url, _ = ledger
    outdate = "alter table mails disable trigger guard_mail; update mails set kind = 'expires-in-7-days'"
    do(lambda: on(url, lambda connection: connection.execute(f"{outdate}; {change}")))
    words = ("mail", "resend", "--refused-since", "2026-11-24", "--reason", "relaying", "--yes")
    shown = servicecert(*words).stdout
    assert f"1 mails are left out: {obstacle}." in shown
    assert "0 mails will be sent again" in shown


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("3f2b8c1e-0000-4000-8000-000000000000", "--refused-since", "2026-11-24"),
        ("3f2b8c1e-0000-4000-8000-000000000000", "--relay", "mail.example.fi"),
        ("3f2b8c1e-0000-4000-8000-000000000000", "--yes"),
        ("--refused-since", "2026-11-24", "--to", "saga@fantasin.example"),
    ],
)
def test_one_mail_or_all_refused_ones_are_sent_again(servicecert, words):
    assert servicecert("mail", "resend", "--reason", "relaying", *words).exit_code == 2


def test_C3_a_mail_is_sent_to_the_right_address_instead(servicecert, ledger):
    url, (refused, _) = ledger
    output = servicecert("mail", "resend", refused, "--reason", "misspelt", "--to", "saga@FANTASIN.example").stdout
    assert "to the orderer" in output
    assert do(lambda: on(url, decide)).intents[0].data.recipient.email == "saga@fantasin.example"


def test_E3_an_address_need_not_stand_in_the_command(servicecert, ledger):
    url, (refused, _) = ledger
    words = ("mail", "resend", refused, "--reason", "misspelt", "--to", "-")
    assert servicecert(*words, typed="saga@FANTASIN.example\n").exit_code == 0
    assert do(lambda: on(url, decide)).intents[0].data.recipient.email == "saga@fantasin.example"
    for nothing in ("", "\n", "saga at fantasin\n"):
        result = servicecert(*words, typed=nothing)
        assert (result.exit_code, "fantasin" in result.stderr) == (2, False)


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (None, 75, "is being sent"),
        ("delete from orders", 1, "its content was erased"),
        ("", 1, "There is no mail"),
    ],
)
def test_C3_what_cannot_be_sent_again_is_a_sentence(servicecert, ledger, change, code, sentence):
    url, (refused, planned) = ledger
    mail_id = {None: planned, "": CASE}.get(change, refused)
    if change:
        do(lambda: on(url, lambda connection: connection.execute(change)))
    result = servicecert("mail", "resend", mail_id, "--reason", "why not")
    assert result.exit_code == code
    assert sentence in one_sentence(result.stderr)


@pytest.mark.parametrize("words", [(), ("--reason", " "), ("--reason", "x" * 501), ("--reason", "x", "--to", "nobody")])
def test_a_reason_is_needed_and_an_address_is_one(servicecert, ledger, words):
    assert servicecert("mail", "resend", ledger[1][0], *words).exit_code == 2


def test_a_mail_that_is_not_there_is_a_sentence(servicecert, ledger):
    result = servicecert("mail", "show", CASE)
    assert (result.exit_code, "There is no mail" in one_sentence(result.stderr)) == (1, True)
