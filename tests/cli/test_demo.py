"""The main job, as a newcomer runs it; and what it leaves behind, looked at with OpenSSL."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from email import message_from_bytes, policy
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from certificates import addresses
from commandline import Ended, processes_of, until, worker_of
from cryptography import x509
from servicecert_cli.stand.system import PARTITIONS
from servicecert_pki.partitions import partition_of

pytestmark = pytest.mark.long

LINES = 130
CHAPTERS = [
    "A server certificate",
    "A test server certificate, whose request comes later",
    "A system signature certificate, whose attachment was forgotten",
    "A test system signature certificate, at the second try",
    "A revocation",
    "What OpenSSL says",
    "An application that lapses",
    "What the customer sees",
]
TYPES = ("server", "test-server", "system-signature", "test-system-signature")


@pytest.fixture(scope="module")
def environment():
    """A terminal of 80 columns without a broker or a database of one's own."""
    named = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "COLUMNS")
    return {name: value for name, value in os.environ.items() if name not in named}


def started(folder, environment, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "servicecert_cli", "demo", "--folder", str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory, environment):
    """The demonstration, run once: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    (folder / "certificates").mkdir(parents=True)
    for name in ("story.txt", "certificates/of-an-earlier-run.pem"):
        (folder / name).touch()
    with started(folder, environment) as process:
        out, err = process.communicate(timeout=180)
    return folder, Ended(process.returncode, out, err)


@pytest.fixture(scope="module")
def folder(demo):
    return demo[0]


@pytest.fixture(scope="module")
def full(folder):
    """What `--full` prints."""
    return (folder / "story.txt").read_text("utf-8")


@pytest.fixture(scope="module")
def page(folder):
    """The story for a browser."""
    text = (folder / "story.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>\n")
    return ElementTree.fromstring(text.partition("\n")[2])


@pytest.fixture(scope="module")
def events(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_it_succeeds_and_leaves_nothing_running(demo):
    folder, ended = demo
    assert (ended.code, ended.err) == (0, "")
    assert processes_of(folder) == {}


def test_the_brief_story_has_at_most_130_lines_and_a_screen_for_each_chapter(demo):
    lines = demo[1].out.splitlines()
    assert len(lines) <= LINES
    heads = [number for number, line in enumerate(lines) if line.endswith("──")]
    assert max(after - before for before, after in pairwise(heads)) <= 24


def test_both_are_told_in_80_columns_without_colour(demo, full):
    for text in (demo[1].out, full):
        lines = text.splitlines()
        assert max(map(len, lines)) <= 80
        assert "\x1b" not in text
        heads = [line.strip(" ─") for line in lines if line.endswith("──")]
        chapters = [f"{number}  {title}" for number, title in enumerate(CHAPTERS, 1)]
        assert heads == [*chapters, "Everything is stopped"]


def test_the_last_screen_names_files_that_are_there(demo, folder):
    last = demo[1].out.rpartition(" Everything is stopped ")[2]
    named = re.findall(r"^    (\S+(?:/|\.\w+)) ", last, re.MULTILINE)
    assert named == ["story.html", "story.txt", "certificates/", "mail/", "events.jsonl", "logs/"]
    assert [each for each in (*named, "ca", "crls", "preview/index.html") if not (folder / each).exists()] == []


def test_E1_states_are_told_in_order_with_their_times(demo, full):
    states = r"^    (\d\d:\d\d:\d\d\.\d{3})  (\w+(?: \w+)*)(?:  |$)"
    moments = re.findall(states, demo[1].out, re.MULTILINE)
    assert moments == re.findall(states, full, re.MULTILINE)
    to_the_end = ["accepted", "issued", "delivered"]
    assert [state for _, state in moments] == [
        *("submitted", *to_the_end),
        *("submitted", "waiting for CSR", *to_the_end),
        *("submitted", "returned", *to_the_end) * 2,
        *("revocation requested", "revoked"),
        *("submitted", "waiting for CSR", "lapsed"),
    ]
    # The last one is by a clock that runs half a year ahead.
    assert moments[:-1] == sorted(moments[:-1], key=lambda moment: moment[0])


def test_D5_the_colleague_who_asks_for_the_revocation_gets_the_mail_in_the_own_language(folder):
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in (folder / "mail").glob("*.eml")]
    colleagues = [each for each in mails if each["To"] == "kaisa.kollega@onnela.example"]
    assert [each["Subject"] for each in colleagues] == [
        "The certificate for kanta.sagoudden.example.fi has been revoked"
    ]


def test_A12_six_months_without_a_request_end_in_a_lapse_and_who_comes_later_is_told(demo, events):
    ahead = re.search(r"with its clock (\d+) days ahead", demo[1].out)
    assert ahead is not None
    assert 180 <= int(ahead[1]) <= 185
    views = [event["value"] for event in events if event["headers"]["ce_type"].startswith("servicecert.case.changed.")]
    late = {view["answer"]["code"] for view in views if view["state"] == "lapsed" and view["answer"]}
    assert late == {"too-late-lapsed"}
    assert "Hakemus on rauennut: testi.onnelan6.example.fi" in demo[1].out
    assert "The case has lapsed and is closed." in demo[1].out


def test_A10_what_is_to_be_mended_is_told_in_three_languages(demo, full):
    assert demo[1].out.count("    to mend ") == full.count("    to mend ") == 3
    for language, more in (("svenska", 0), ("suomi", 2), ("English", 0)):
        assert full.count(f"    {language} ") == 4 + more, "three deficiencies, an answer, and the steps of two cases"


def test_C2_a_mail_is_quoted_and_its_rest_is_in_the_file_that_is_named(demo, full, folder):
    *quoted, rest = re.findall(r"^    │ (.*)$", demo[1].out, re.MULTILINE)
    (path,) = folder.glob(rest.rpartition(" ")[2])
    text = message_from_bytes(path.read_bytes(), policy=policy.default).get_body(("plain",)).get_content()
    assert " ".join(quoted) in " ".join(text.split())
    shown = "\n".join(re.findall(r"^    │ (.*)$", full, re.MULTILINE))
    assert "Varmenne on valmis: testi.onnelan6.example.fi" in shown
    assert "openssl verify" in shown
    assert "preview/" in demo[1].out
    assert "All mails" in (folder / "preview" / "index.html").read_text("utf-8")


def test_E4_the_customer_s_cases_have_their_states_and_in_full_the_next_steps_in_the_customer_s_language(demo, full):
    for text, steps in ((demo[1].out, 0), (full, 2)):
        _, page = text.split("What the customer sees")
        assert re.findall(r"^    (lapsed|delivered) +test-server testi", page, re.MULTILINE) == ["lapsed", "delivered"]
        assert len(re.findall(r"^    suomi +\S", page, re.MULTILINE)) == steps
    assert "make portal" in demo[1].out


def test_the_web_page_tells_the_same_chapters_states_mails_certificates_and_checks(page, events, folder):
    heads = ["".join(each.itertext()) for each in page.iter("h2")]
    assert [f"{number}{title}" for number, title in enumerate(CHAPTERS, 1)] == heads[2:10]
    words = Counter(each.text for each in page.iter("span") if each.get("class") == "words")
    # Each state stands in its chapter, and on the line of time of its case.
    assert words == {
        **{"submitted": 10, "accepted": 8, "issued": 8, "delivered": 8, "waiting for CSR": 4, "returned": 4},
        **{"revocation requested": 2, "revoked": 2, "lapsed": 2},
    }
    text = "".join(page.itertext())
    for event in events:
        if event["headers"]["ce_type"] == "servicecert.certificate.issued.v1":
            assert event["value"]["serial"] in text
    assert text.count("key usage") == 4
    assert text.count("certificate revoked") == 2, "the verdict, and in OpenSSL's words"
    frames = list(page.iter("iframe"))
    assert len(frames) == 10, "the mail about the revocation in two languages"
    assert all("<!DOCTYPE html>" in each.attrib["srcdoc"] for each in frames)
    files = {each.attrib["href"] for each in page.iter("a") if not each.attrib["href"].startswith("#")}
    assert len(files) == 4 * 2 + 10
    assert all((folder / file).is_file() for file in files)


def test_the_web_page_has_one_h1_and_no_level_of_headings_is_skipped(page):
    levels = [int(each.tag[1]) for each in page.iter() if re.fullmatch("h[1-6]", each.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    identities = [each.attrib["id"] for each in page.iter() if "id" in each.attrib]
    assert len(identities) == len(set(identities))
    for each in page.iter():
        assert each.get("aria-labelledby") is None or each.attrib["aria-labelledby"] in identities


def test_only_what_it_made_is_in_its_folder(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        *("ca", "certificates", "crls", "events.jsonl", "logs", "mail", "preview", "story.html", "story.txt")
    ]
    assert sorted(path.name for path in (folder / "certificates").iterdir()) == sorted(
        f"{type}.{ending}" for type in TYPES for ending in ("der", "pem")
    )
    assert len(list((folder / "ca" / "roots").glob("*.pem"))) == 4
    assert len(list((folder / "ca" / "issuing").glob("*.pem"))) == 4
    assert len(list((folder / "crls").glob("*-root-*.crl"))) == 4
    assert len(list((folder / "crls").glob("*.crl"))) == 4 + 4 * (1 + PARTITIONS)


def test_I10_no_private_key_and_no_passphrase_is_left(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"PRIVATE KEY" not in content
            assert b"passphrase" not in content.lower() or path.suffix == ".eml"


@pytest.mark.parametrize("type", TYPES)
def test_B4_openssl_accepts_each_certificate_but_the_revoked_one(folder, type):
    _, issuer = openssl(folder, "x509", "-in", f"certificates/{type}.pem", "-noout", "-issuer")
    environment = "test" if type.startswith("test") else "production"
    family = "rsa" if "RSA 4096" in issuer else "ec"
    assert environment.capitalize() in issuer
    code, output = openssl(
        folder,
        *("verify", "-x509_strict", "-crl_check", "-CAfile", f"ca/roots/{environment}-root-{family}.pem"),
        *("-untrusted", f"ca/issuing/{environment}-{family}.pem", "-CRLfile", f"crls/{environment}-{family}.crl"),
        f"certificates/{type}.pem",
    )
    assert (code == 0) is (type != "server")
    assert ("certificate revoked" in output) is (type == "server")


def test_D7_each_issuing_ca_names_its_root_s_crl_and_certificate_where_the_crls_are_served(folder):
    issued = x509.load_pem_x509_certificate((folder / "certificates" / "server.pem").read_bytes())
    base = addresses(issued)[0].rpartition("/")[0]
    named = {
        path.stem: addresses(x509.load_pem_x509_certificate(path.read_bytes()))
        for path in (folder / "ca" / "issuing").iterdir()
    }
    assert named == {
        f"{kind}-{family}": (f"{base}/{kind}-root-{family}.crl", f"{base}/{kind}-root-{family}.cer")
        for kind in ("production", "test")
        for family in ("rsa", "ec")
    }


@pytest.mark.parametrize("type", TYPES)
def test_both_files_hold_the_same_certificate(folder, type):
    (_, pem), (_, der) = (
        openssl(folder, "x509", "-in", f"certificates/{type}.{ending}", "-noout", "-fingerprint", "-sha256")
        for ending in ("pem", "der")
    )
    assert pem == der


def test_keys_of_both_families_were_certified(folder):
    texts = [openssl(folder, "x509", "-in", f"certificates/{type}.pem", "-noout", "-text")[1] for type in TYPES]
    assert ["Public-Key: (3072 bit)" in texts[0], "P-384" in texts[1], "P-384" in texts[2]] == [True] * 3
    assert "Public-Key: (2048 bit)" in texts[3]


def test_I7_the_revoked_certificate_alone_is_on_a_crl(demo, full, folder):
    _, serial = openssl(folder, "x509", "-in", "certificates/server.pem", "-noout", "-serial")
    number = serial.strip().removeprefix("serial=")
    listed = {
        path.stem: openssl(folder, "crl", "-in", path, "-noout", "-text")[1] for path in folder.glob("crls/*.crl")
    }
    partition = f"production-rsa.{partition_of(int(number, 16), PARTITIONS)}"
    assert {name: text.count("Serial Number:") for name, text in listed.items() if "Serial Number:" in text} == {
        "production-rsa": 1,
        partition: 1,
    }
    for name in ("production-rsa", partition):
        assert f"Serial Number: {number}" in listed[name]
        assert "Key Compromise" in listed[name]
    assert f"{bytes.fromhex(number).hex(':').upper()}, as typed" in demo[1].out
    assert number.lower() in full


def test_C1_each_certificate_was_mailed_in_both_encodings(folder):
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in folder.glob("mail/*.eml")]
    attached = [{part.get_filename(): part.get_content() for part in mail.iter_attachments()} for mail in mails]
    for type in TYPES:
        der = (folder / "certificates" / f"{type}.der").read_bytes()
        assert sum(der in parts.values() for parts in attached) >= 2, "the orderer and the technical contact"
    assert all(len(parts) == 3 for parts in attached if parts)


def test_every_event_is_kept_in_order_with_its_headers(demo, events):
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert f"all {len(events)} events" in demo[1].out
    assert all(event["headers"]["ce_specversion"] == "1.0" for event in events)
    assert all(set(event) >= {"topic", "partition", "offset", "key", "value"} for event in events)
    places = {(event["topic"], event["partition"], event["offset"]) for event in events}
    assert len(places) == len(events)
    offsets: dict[tuple[str, int], list[int]] = {}
    for topic, partition, offset in places:
        offsets.setdefault((topic, partition), []).append(offset)
    assert all(sorted(found) == list(range(len(found))) for found in offsets.values())


def test_I3_each_application_led_to_one_certificate_and_nothing_was_parked(events):
    types = [event["headers"]["ce_type"] for event in events]
    assert types.count("servicecert.application.submitted.v1") == 5
    assert types.count("servicecert.certificate.issued.v1") == 4
    assert types.count("servicecert.certificate.revoked.v1") == 1
    assert types.count("servicecert.record.parked.v1") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_everything(tmp_path, environment, number):
    with started(tmp_path / "demo", environment) as process:
        until(lambda: worker_of("issuer", tmp_path), process)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert processes_of(tmp_path) == {}


def test_a_service_that_dies_is_named_with_the_step_and_its_last_words(tmp_path, environment):
    with started(tmp_path / "demo", environment) as process:
        os.kill(until(lambda: worker_of("issuer", tmp_path), process), signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("servicecert: the demonstration failed at preparing: issuer ended with status 137")
    assert processes_of(tmp_path) == {}


def test_a_machine_without_openssl_is_told(tmp_path, environment):
    with started(tmp_path / "demo", {**environment, "PATH": "/nowhere"}) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "OpenSSL's command line is missing" in err
    assert processes_of(tmp_path) == {}


def test_a_folder_that_cannot_be_emptied_is_told(tmp_path, environment):
    (tmp_path / "file").touch()
    with started(tmp_path / "file" / "demo", environment) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 73
    assert "cannot be emptied" in err
