"""`submit`, `revoke` and `watch`: the e-service's part from the command line."""

import asyncio
from base64 import b64decode
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from commandline import do, one_sentence, read_json
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.applications import read_application
from servicecert_cli.stand.topic_reader import reading_topics
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, CsrAttached
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.revocation import Notify, RevocationRequested
from servicecert_schemas.values import CertificateType

TEXTS = {"sv": "a", "fi": "b", "en": "c"}
STATES = ("submitted", "returned", "accepted", "issued")


@pytest.fixture
def application(servicecert, tmp_path):
    """A file with the example of a server."""
    path = tmp_path / "server.toml"
    path.write_text(servicecert("submit", "--example", "server").stdout)
    return path


@pytest.fixture(scope="module")
def request_in():
    """A request, by encoding."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = request.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
    return {"PEM": signed.public_bytes(Encoding.PEM), "DER": signed.public_bytes(Encoding.DER)}


def published(cluster, kind):
    """The one event of a kind that is on its topic."""

    async def look():
        async with asyncio.timeout(60), reading_topics(cluster) as witness:
            return await witness.until(kind, lambda _: True)

    return do(look)


def case(case_id, reached, **more):
    """A case that has come to a number of states."""
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    return CaseChanged(
        case_id=case_id,
        account_id="account-9900001-8",
        version=reached,
        type="server",
        language="fi",
        applied_for={"business_id": "9900001-8", "unit_long_name": "Saduniemen terveysasema"},
        next_step=TEXTS,
        history=[{"state": state, "at": at} for state in STATES[:reached]],
        **{"state": STATES[reached - 1], "acts_next": "authority", **more},
    )


@pytest.mark.parametrize("type", CertificateType)
def test_each_example_is_an_application_in_toml_and_in_json(servicecert, tmp_path, type):
    toml, in_json = tmp_path / "application.toml", tmp_path / "application.json"
    toml.write_text(servicecert("submit", "--example", type).stdout)
    read = read_application(toml)
    assert read.form.type is type
    in_json.write_text(read.model_dump_json())
    assert read_application(in_json) == read


@pytest.mark.parametrize("encoding", ["PEM", "DER"])
def test_an_application_is_published_under_a_new_case(
    servicecert, cluster, application, request_in, tmp_path, encoding
):
    csr = tmp_path / "csr"
    csr.write_bytes(request_in[encoding])
    done = servicecert("submit", application, "--csr", csr)
    assert done.exit_code == 0
    event = published(cluster, ApplicationSubmitted)
    assert event.case_id == UUID(done.stdout.strip())
    assert f"servicecert watch {event.case_id}" in done.stderr
    assert event.form == read_application(application).form
    assert event.actor.account_id == "account-9900001-8"
    assert (event.csr.encode() if encoding == "PEM" else b64decode(event.csr)) == request_in[encoding]


def test_who_acts_is_said(servicecert, cluster, application):
    who = ("--account", "mine", "--user", "me", "--assurance", "low")
    submitted = read_json(servicecert("submit", application, *who, "--json"))
    actor = published(cluster, ApplicationSubmitted).actor
    assert (actor.account_id, actor.user_id, actor.assurance) == ("mine", "me", Assurance.LOW)
    assert submitted["account_id"] == "mine"


@pytest.mark.parametrize("option", ["--account", "--user"])
def test_an_id_that_no_user_of_the_e_service_has_is_told(servicecert, no_broker, application, option):
    requested = ("revoke", uuid4(), "--serial", "1", "--reason", "key-exposed", "--account", "mine", option, "a b")
    for arguments in (("submit", application, option, "a b"), requested):
        done = servicecert(*arguments)
        assert done.exit_code == 65
        assert f"{option[2:]}_id: string should match pattern '^[A-Z" in one_sentence(done.stderr)


def test_a_file_with_a_case_supplements_it(servicecert, cluster, application):
    case_id = uuid4()
    assert servicecert("submit", application, "--case", case_id).exit_code == 0
    assert published(cluster, ApplicationSupplemented).case_id == case_id


def test_a_request_alone_is_attached_to_its_case(servicecert, cluster, request_in, tmp_path):
    csr, case_id = tmp_path / "csr", uuid4()
    csr.write_bytes(request_in["PEM"])
    assert servicecert("submit", "--case", case_id, "--account", "mine", "--csr", csr).exit_code == 0
    event = published(cluster, CsrAttached)
    assert (event.case_id, event.csr) == (case_id, request_in["PEM"].decode())


@pytest.mark.parametrize("arguments", [(), ("--case", uuid4()), ("--csr", "a.csr")])
def test_a_file_or_a_case_with_its_request_is_needed(servicecert, arguments):
    assert servicecert("submit", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("name", "content", "code", "sentence"),
    [
        ("missing.toml", None, 66, "cannot be read"),
        ("broken.toml", "type = 1 2", 65, "is not TOML at line 1, column 10: see `servicecert submit --example"),
        ("broken.json", '{\n"type"}', 65, "is not JSON at line 2, column 7: see `servicecert submit --example"),
        ("toml.json", 'type = "server"', 65, "it looks like TOML: name it .toml"),
        ("wrong.json", '{"type": "other"}', 65, "orderer: field required"),
        ("misspelt.json", '{"usagges": []}', 65, "no form has usagges: correct its name"),
        ("huge.json", " " * 300_000, 65, "is too large"),
    ],
)
def test_a_file_that_is_no_application_is_told(servicecert, no_broker, tmp_path, name, content, code, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    done = servicecert("submit", path)
    assert done.exit_code == code
    assert sentence in one_sentence(done.stderr)


def test_a_file_in_another_encoding_is_told(servicecert, no_broker, tmp_path):
    (path := tmp_path / "latin.toml").write_bytes("unit_long_name = 'Hälsostation'".encode("latin-1"))
    done = servicecert("submit", path)
    assert done.exit_code == 65
    assert "is not text in UTF-8" in one_sentence(done.stderr)


def test_a_business_id_that_is_none_has_no_account(servicecert, no_broker, application):
    application.write_text(application.read_text().replace("9900001-8", "9900001-9"))
    done = servicecert("submit", application)
    assert done.exit_code == 65
    assert "applicant.business_id '9900001-9' has not the form or the check digit" in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        (None, 66, "cannot be read"),
        (b"x" * 40_000, 65, "is too large"),
        (b"-----BEGIN EC PRIVATE KEY-----\nMHcC", 65, "holds a private key"),
    ],
    ids=["missing", "huge", "private-key"],
)
def test_a_file_that_can_be_no_request_is_told(servicecert, no_broker, application, tmp_path, content, code, sentence):
    path = tmp_path / "csr"
    if content is not None:
        path.write_bytes(content)
    done = servicecert("submit", application, "--csr", path)
    assert done.exit_code == code
    assert f"{path} {sentence}" in one_sentence(done.stderr)


def test_topics_that_are_missing_are_told(servicecert, empty_cluster, application):
    for arguments in (("submit", application), ("watch", uuid4())):
        done = servicecert(*arguments)
        assert done.exit_code == 78
        assert "servicecert topics create" in one_sentence(done.stderr)


def test_a_broker_that_does_not_answer_is_told(servicecert, no_broker, application):
    for arguments in (
        ("submit", application),
        ("watch", uuid4()),
        ("revoke", uuid4(), "--serial", "1", "--reason", "key-exposed"),
    ):
        done = servicecert(*arguments)
        assert done.exit_code == 69
        assert no_broker in one_sentence(done.stderr)


def test_D1_a_revocation_is_asked_for_by_the_account_of_the_case(servicecert, cluster):
    case_id = uuid4()
    do(lambda: publish(cluster, case(case_id, 4)))
    done = servicecert("revoke", case_id, "--serial", "5B:2F", "--reason", "key-exposed", "--explanation", "Lost.")
    assert done.exit_code == 0
    event = published(cluster, RevocationRequested)
    assert str(event.request_id) in done.stdout
    assert f"servicecert watch {case_id}" in done.stderr
    assert (event.case_id, event.actor.account_id, event.serial_as_typed) == (case_id, "account-9900001-8", "5B:2F")
    assert (event.reason, event.explanation) == ("key-exposed", "Lost.")


def test_D5_who_asks_names_the_address_for_the_mail_and_its_language(servicecert, cluster):
    asked = (
        "revoke",
        uuid4(),
        "--serial",
        "1",
        "--reason",
        "key-exposed",
        "--account",
        "account-1",
        "--language",
        "sv",
    )
    assert "--notify" in servicecert(*asked).stderr
    assert servicecert(*asked, "--notify", "kollega@example.fi").exit_code == 0
    assert published(cluster, RevocationRequested).notify == Notify(email="kollega@example.fi", language="sv")


def test_D2_a_customer_asks_by_the_words_of_a_reason(servicecert, cluster):
    words = "Varmennetta ei enää tarvita."
    asked = ("--serial", "1", "--reason", words, "--account", "account-1")
    requested = read_json(servicecert("revoke", uuid4(), *asked, "--json"))
    event = published(cluster, RevocationRequested)
    assert (event.actor.role, event.reason) == (Role.COLLEAGUE, "no-longer-needed")
    assert requested == {"case_id": str(event.case_id), "request_id": str(event.request_id)}


def test_a_case_that_nobody_knows_is_told(servicecert, cluster):
    done = servicecert("revoke", uuid4(), "--serial", "1", "--reason", "key-exposed")
    assert done.exit_code == 1
    assert "is unknown" in one_sentence(done.stderr)


def test_a_malformed_request_is_told(servicecert, cluster):
    done = servicecert("revoke", uuid4(), "--serial", "1" * 300, "--reason", "key-exposed", "--account", "mine")
    assert done.exit_code == 65
    assert "is no serial number" in one_sentence(done.stderr)


def test_E1_each_state_is_told_once_with_what_is_to_be_done(servicecert, cluster):
    case_id = uuid4()
    lack = {"code": "unit-not-found", "field": "unit_long_name", "texts": {**TEXTS, "en": "Mend the name."}}
    returned = case(case_id, 2, deficiencies=[lack])
    do(lambda: publish(cluster, case(case_id, 1), case(uuid4(), 4), returned, returned, case(case_id, 3)))
    shown = servicecert("watch", case_id, "--until", "accepted", "--timeout", 30)
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines() if line.strip()]
    assert [line[1] for line in lines if line[0].startswith("14:00:00")] == ["submitted", "returned", "accepted"]
    assert ["English", "Mend", "the", "name."] in lines
    assert lines.count(["next", "b"]) == 3
    swedish = servicecert("watch", case_id, "--until", "accepted", "--language", "sv").stdout
    assert (swedish.count("next        a"), swedish.count("next        b")) == (3, 0)


def test_with_json_every_view_is_a_line(servicecert, cluster):
    case_id = uuid4()
    do(lambda: publish(cluster, case(case_id, 1), case(case_id, 2)))
    watched = read_json(servicecert("watch", case_id, "--until", "returned", "--json").stdout.splitlines()[-1])
    assert watched["version"] == 2


def test_a_case_that_ended_in_another_state_is_not_waited_for(servicecert, cluster):
    case_id = uuid4()
    do(lambda: publish(cluster, case(case_id, 4, state="refused", acts_next="nobody")))
    done = servicecert("watch", case_id, "--until", "revoked", "--until", "delivered")
    assert done.exit_code == 1
    assert f"The case {case_id} did not reach revoked or delivered: it ended as refused." in one_sentence(done.stderr)


@pytest.mark.parametrize(("wanted", "sentence"), [("lapsed", "it ended as delivered"), ("revoked", "in 2 s")])
def test_a_delivered_certificate_can_still_be_revoked(servicecert, cluster, wanted, sentence):
    case_id = uuid4()
    do(lambda: publish(cluster, case(case_id, 4, state="delivered", acts_next="nobody")))
    done = servicecert("watch", case_id, "--until", wanted, "--timeout", 2)
    assert done.exit_code == 1
    assert sentence in one_sentence(done.stderr)


def test_a_state_that_does_not_come_in_time_is_a_failure(servicecert, cluster):
    case_id = uuid4()
    do(lambda: publish(cluster, case(case_id, 1)))
    done = servicecert("watch", case_id, "--until", "revoked", "--timeout", 2)
    assert done.exit_code == 1
    assert "did not reach revoked" in one_sentence(done.stderr)
    silent = servicecert("watch", uuid4(), "--timeout", 0.5)
    assert silent.exit_code == 1
    assert "No event of the case" in one_sentence(silent.stderr)
