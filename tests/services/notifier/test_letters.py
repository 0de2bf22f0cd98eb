"""What the mails say (C1, C2, C4, D5)."""

import re
import subprocess
from base64 import b64decode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_notifier.mail.domain import markup
from servicecert_notifier.mail.domain.filling import WORDING, common_name, file_stem, fingerprint_of
from servicecert_notifier.mail.domain.letters import pem, write
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.serials import serial_readings
from servicecert_schemas.values import CertificateType, Language
from services.notifier.sample_mails import EVERY_MAIL, HEAD

EVERY_LANGUAGE = pytest.mark.parametrize("language", list(Language))


@EVERY_LANGUAGE
def test_C2_the_certificate_is_described(planned, issued, language):
    letter = write(planned(issued, language), HEAD)
    facts = (
        issued.serial,
        issued.serial_decimal,
        fingerprint_of(issued.fingerprint),
        HEAD.contact,
        str(issued.case_id),
    )
    assert all(fact in letter.text and fact in letter.html for fact in facts)
    assert WORDING[language].moment_of(issued.not_before) in letter.text
    assert WORDING[language].moment_of(issued.not_after) in letter.text


def test_the_authority_s_closing_takes_the_place_of_ours(planned, issued):
    ours = write(planned(issued, Language.ENGLISH), HEAD)
    head = HEAD.model_copy(update={"closing": "Ring <b> us & {{ name }}, " + "day or night " * 9 + "."})
    theirs = write(planned(issued, Language.ENGLISH), head)
    assert f"\n\n{head.closing}\n\n{HEAD.name}" in theirs.text
    assert "Ring &lt;b&gt; us &amp; {{ name }}, day or night" in theirs.html
    assert theirs.text.split("Questions")[0] == ours.text.split("Questions")[0]
    assert "was sent automatically" in ours.text.replace("\n", " ")
    assert "was sent automatically" not in theirs.text


@EVERY_LANGUAGE
def test_D5_a_revocation_names_reason_moment_and_list(planned, revoked, language):
    for reason in RevocationReason:
        letter = write(planned(revoked.model_copy(update={"reason": reason}), language), HEAD)
        facts = (
            WORDING[language].names[reason],
            str(revoked.crl_number),
            revoked.crl_url,
            revoked.serial,
            revoked.serial_decimal,
        )
        assert all(fact in letter.text for fact in facts)
        assert WORDING[language].moment_of(revoked.revoked_at) in letter.text


def test_D5_since_when_a_key_was_exposed_is_told_where_it_is_known(planned, revoked):
    unknown = write(planned(revoked.model_copy(update={"invalid_since": None})), HEAD).text
    known = write(planned(revoked.model_copy(update={"invalid_since": revoked.requested_at})), HEAD).text
    assert "antas ha avslöjats" in known
    assert "antas ha avslöjats" not in unknown


@EVERY_LANGUAGE
def test_C4_every_deficiency_is_told_and_the_rule_of_lapsing(planned, returned, language):
    letter = write(planned(returned, language), HEAD)
    assert all(item.texts.in_language(language) in letter.text for item in returned.deficiencies)
    assert re.search(r"\b6 (månader|kuukautta|months)\b", letter.text)


def test_A12_the_day_a_case_lapses_is_told_where_the_case_says_it(planned, returned):
    due = datetime(2027, 5, 23, 21, 59, 59, tzinfo=UTC)
    assert "senast den 24 maj 2027" in write(planned(returned.model_copy(update={"lapses": due})), HEAD).text
    assert "senast" not in write(planned(returned.model_copy(update={"lapses": None})), HEAD).text


def test_a_reference_is_repeated_where_there_is_one(planned, returned):
    applied = returned.applied_for.model_copy(update={"customer_reference": "PO\n12 <3>"})
    letter = write(planned(returned.model_copy(update={"applied_for": applied})), HEAD)
    assert "Din referens: PO 12 <3>\n" in letter.text
    assert "PO 12 &lt;3&gt;" in letter.html
    nothing = applied.model_copy(update={"customer_reference": None})
    assert "Din referens" not in write(planned(returned.model_copy(update={"applied_for": nothing})), HEAD).text


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"dns": ("a.example", "b.example"), "information_system": "S"}, "a.example"),
        ({"dns": (), "information_system": "S"}, "S"),
        ({"dns": (), "information_system": None, "unit_long_name": "U"}, "U"),
    ],
)
def test_a_returned_application_is_known_by_its_name(planned, returned, changes, name):
    applied = returned.applied_for.model_copy(update=changes)
    assert write(planned(returned.model_copy(update={"applied_for": applied})), HEAD).subject.endswith(f": {name}")


@EVERY_LANGUAGE
@pytest.mark.parametrize("kind", list(CertificateType))
def test_installing_and_testing_follow_the_type(planned, issued, language, kind):
    text = write(planned(issued.model_copy(update={"type": kind}), language), HEAD).text
    assert WORDING[language].names[kind] in text
    assert bool(re.search("testcertifikat\\.|testivarmenne\\.|test certificate\\.", text)) is kind.is_test
    assert bool(re.search("nginx", text)) is kind.is_server


def test_C1_both_files_and_the_chain_are_attached(planned, issued, tmp_path):
    der, pem_file, chain = write(planned(issued), HEAD).attachments
    stem = f"kanta.laakaritalo.example_{issued.serial[:8]}"
    assert [file.name for file in (der, pem_file, chain)] == [f"{stem}.der", f"{stem}.pem", f"{stem}-chain.pem"]
    assert b64decode(der.encoded) == b64decode(issued.certificate)
    (tmp_path / "c.pem").write_bytes(b64decode(pem_file.encoded))
    printed = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "c.pem", "-outform", "DER"], capture_output=True, check=True
    )
    assert printed.stdout == b64decode(issued.certificate)
    assert b64decode(chain.encoded) == b"".join(map(pem, issued.chain))


def test_what_a_person_typed_is_never_markup(planned, returned):
    evil = returned.deficiencies[0].model_copy(
        update={"texts": returned.deficiencies[0].texts.model_copy(update={"sv": "<b>{{ contact }}</b>\n# x\n- y: z"})}
    )
    letter = write(planned(returned.model_copy(update={"deficiencies": (evil,)})), HEAD)
    assert "1. <b>{{ contact }}</b> # x - y: z\n" in letter.text
    assert "&lt;b&gt;{{ contact }}&lt;/b&gt; # x - y: z" in letter.html


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("CN=a.example,O=x", "a.example"),
        ("O=x\\,CN=no,cn=A\\, B\\\\,C=FI", "A, B\\"),
        ("O=x+CN=L\\C3\\A4\\C3\\A4k\\C3\\A4ri", "Lääkäri"),
        ("CN=\\FF", "\N{REPLACEMENT CHARACTER}"),
        ("O=nobody", "O=nobody"),
    ],
)
def test_the_common_name_is_read_from_the_subject(subject, name):
    assert common_name(subject) == name


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.example", "a.example_0a"),
        ("Lääkäri Oy / ../x", "Laakari-Oy-.-x_0a"),
        ("../../etc/passwd", "etc-passwd_0a"),
        ("中", "certificate_0a"),
        ("-rf", "rf_0a"),
    ],
)
def test_a_file_name_is_the_common_name_made_safe(name, stem):
    assert file_stem(name, "0a") == stem


@given(st.text(max_size=200))
def test_a_file_name_is_safe_on_every_system(name):
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,25})_0a", file_stem(name, "0a"))


def test_moments_follow_summer_time():
    summer, winter = datetime(2027, 7, 1, 9, tzinfo=UTC), datetime(2027, 1, 1, 9, tzinfo=UTC)
    assert WORDING[Language.SWEDISH].moment_of(summer) == "1 juli 2027 kl. 12.00.00 finsk tid (UTC+3)"
    assert WORDING[Language.FINNISH].moment_of(winter) == "1. tammikuuta 2027 klo 11.00.00 Suomen aikaa (UTC+2)"
    assert WORDING[Language.ENGLISH].moment_of(winter) == "1 January 2027 at 11:00:00 Finnish time (UTC+2)"


def test_a_source_without_a_subject_is_refused():
    with pytest.raises(ValueError, match="Subject: "):
        markup.read("# Heading")


def test_a_source_becomes_text_and_page():
    source = (
        "Subject: s {{ x }}\n# A & B\n\np <q>\n{{ a > b }}\n\n- k: v: w\n{% if x %}\n- l: m\n{% endif %}\n\n\n"
        "{% if x %}\n1. y\n2. z\n{% endif %}\n\n"
        "{% for n in x %}\n{{ loop.index }}. {{ n }}\n{% endfor %}\n\n    a > b\n    c\n## z\n"
    )
    assert markup.read("Subject: s\nWhat follows:\n- k: v\n1. w")[2] == (
        "<p>What follows:</p>\n<dl>\n<dt>k</dt><dd>v</dd>\n</dl>\n<ol>\n<li>w</li>\n</ol>"
    )
    subject, text, html = markup.read(source)
    assert subject == "s {{ x }}"
    assert text == source.partition("\n")[2].replace("# A", "A").replace("## z", "z").replace("p <q>\n", "p <q> ")
    assert html == (
        "<h1>A &amp; B</h1>\n\n<p>p &lt;q&gt;\n{{ a > b }}</p>\n\n"
        "<dl>\n<dt>k</dt><dd>v: w</dd>\n{% if x %}\n<dt>l</dt><dd>m</dd>\n{% endif %}\n</dl>\n\n"
        "{% if x %}\n<ol>\n<li>y</li>\n<li>z</li>\n</ol>\n{% endif %}\n\n"
        "<ol>\n{% for n in x %}\n<li>{{ n }}</li>\n{% endfor %}\n</ol>\n\n"
        "<pre><code>a &gt; b\nc</code></pre>\n<h2>z</h2>"
    )


@EVERY_MAIL
def test_D1_every_line_of_a_mail_that_holds_a_serial_number_is_read_as_it(task):
    serial = getattr(task.content, "serial", None)
    if serial is None:
        return
    letter = write(task, HEAD)
    rows = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", letter.html)
    lines = [*letter.text.splitlines(), *("\t".join(row) for row in rows), *("\n".join(row) for row in rows)]
    holding = [line for line in lines if (serial in line or str(int(serial, 16)) in line) and len(line) <= 200]
    assert len(holding) >= 3, "as text, and as two forms of a row of the page"
    for line in holding:
        assert serial_readings(line) == {int(serial, 16)}, line
