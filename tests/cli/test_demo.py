"""The main job, as a newcomer runs it; and what it leaves behind, looked at with OpenSSL."""

import json
import os
import re
import signal
import subprocess
import sys
from email import message_from_bytes, policy

import pytest
from commandline import Ended, processes_of, until, worker_of
from servicecert_cli.stand.system import PARTITIONS
from servicecert_pki.partitions import partition_of

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
    """The demonstration, run once: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    (folder / "certificates").mkdir(parents=True)
    (folder / "certificates" / "of-an-earlier-run.pem").touch()
    with started(folder, environment) as process:
        out, err = process.communicate(timeout=180)
    return folder, Ended(process.returncode, out, err)


@pytest.fixture(scope="module")
def folder(demo):
    return demo[0]


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


def test_it_is_told_in_80_columns_without_colour(demo):
    lines = demo[1].out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in demo[1].out
    assert [line.strip(" ─") for line in lines if "──" in line and line.strip("─ ")] == [
        "1  A server certificate",
        "2  A test server certificate, whose request comes later",
        "3  A system signature certificate, whose attachment was forgotten",
        "4  A test system signature certificate, at the second try",
        "5  A revocation",
        "6  What OpenSSL says",
        "7  An application that lapses",
        "8  What the customer sees",
    ]


def test_E1_states_are_told_in_order_with_their_times(demo):
    moments = re.findall(r"^    (\d\d:\d\d:\d\d\.\d{3})  (\w+(?: \w+)*)(?:  |$)", demo[1].out, re.MULTILINE)
    to_the_end = ["accepted", "issued", "delivered"]
    assert [state for _, state in moments] == [
        *("submitted", *to_the_end),
        *("submitted", "waiting for CSR", *to_the_end),
        *("submitted", "returned", *to_the_end) * 2,
        *("revocation requested", "revoked"),
        *("submitted", "waiting for CSR", "lapsed"),
    ]
    # The last one is told by a clock that runs half a year ahead.
    assert moments[:-1] == sorted(moments[:-1], key=lambda moment: moment[0])


def test_A12_six_months_without_a_request_end_in_a_lapse_and_who_comes_later_is_told(demo, events):
    ahead = re.search(r"with its clock (\d+) days ahead", demo[1].out)
    assert ahead is not None
    assert 180 <= int(ahead[1]) <= 185
    views = [event["value"] for event in events if event["headers"]["ce_type"] == "servicecert.case.changed.v1"]
    late = {view["answer"]["code"] for view in views if view["state"] == "lapsed" and view["answer"]}
    assert late == {"too-late-lapsed"}
    assert "Hakemus on rauennut: testi.onnelan6.example" in demo[1].out
    assert "The case has lapsed and is closed." in demo[1].out


def test_A10_what_is_to_be_mended_is_told_in_three_languages(demo):
    assert demo[1].out.count("to mend") == 3
    for language in ("svenska", "suomi", "English"):
        assert demo[1].out.count(f"    {language} ") == 4, "three deficiencies and an answer"


def test_C2_one_mail_is_shown_as_its_reader_sees_it_and_all_lie_in_a_preview(demo, folder):
    shown = "\n".join(re.findall(r"^    │ (.*)$", demo[1].out, re.MULTILINE))
    assert "Subject: Varmenne on valmis: testi.onnelan6.example" in shown
    assert "openssl verify" in shown
    assert "preview/" in demo[1].out
    assert "All mails" in (folder / "preview" / "index.html").read_text("utf-8")


def test_E4_the_customer_s_page_has_the_permit_and_the_lapsed_matter(demo):
    _, page = demo[1].out.split("What the customer sees")
    assert re.findall(r"^     (toimitettu|rauennut)", page, re.MULTILINE) == ["toimitettu", "rauennut"]


def test_only_what_it_made_is_in_its_folder(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        *("ca", "certificates", "crls", "events.jsonl", "logs", "mail", "preview")
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
    code, said = openssl(
        folder,
        *("verify", "-x509_strict", "-crl_check", "-CAfile", f"ca/roots/{environment}-root-{family}.pem"),
        *("-untrusted", f"ca/issuing/{environment}-{family}.pem", "-CRLfile", f"crls/{environment}-{family}.crl"),
        f"certificates/{type}.pem",
    )
    assert (code == 0) is (type != "server")
    assert ("certificate revoked" in said) is (type == "server")


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


def test_I7_the_revoked_certificate_alone_is_on_a_crl(demo, folder):
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
    assert number.lower() in demo[1].out


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
