"""The check of a certificate before it is signed (B3)."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
import servicecert_pki.certificate
import servicecert_pki.lint
from hypothesis import given, settings
from hypothesis import strategies as st
from pki.drawn import TYPES, contents
from servicecert_pki import der, lint
from servicecert_pki.certificate import AlternativeNames, Contents, Subject, build_tbs, sign_tbs
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import Finding, Linter, LintSetting, Severity, lint_certificate, lint_crl, shape_of
from servicecert_pki.profile import Attribute, ExtensionName, StringType, Usage
from servicecert_pki.read_back import difference
from servicecert_pki.spki import KeyFamily

MakeContents = Callable[..., Contents]
VALIDATORS = Path(__file__).parent / "golden" / "pkilint.txt"


@pytest.fixture
def linted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The certificates passed to pkilint, in order."""
    seen: list[bytes] = []

    def lint(encoded: bytes) -> tuple[Finding, ...]:
        seen.append(encoded)
        return lint_certificate(encoded)

    monkeypatch.setattr(servicecert_pki.lint, "lint_certificate", lint)
    return seen


@pytest.fixture(scope="module")
def every(linter: Linter) -> Linter:
    return Linter(LintSetting.EVERY, linter.throw_away)


@settings(max_examples=25)
@given(st.data())
def test_B3_whatever_a_profile_allows_is_read_back_and_passes_pkilint(
    make_contents: MakeContents, every: Linter, data: st.DataObject
) -> None:
    meant = data.draw(contents(make_contents))
    assert every.findings(meant, build_tbs(meant)) == ()


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.data())
def test_B3_any_other_byte_is_seen(make_contents: MakeContents, linter: Linter, data: st.DataObject) -> None:
    # A serial number that is drawn otherwise would make other bytes of the same example.
    meant = make_contents(data.draw(st.sampled_from(TYPES)), data.draw(st.sampled_from(KeyFamily)), serial=1 << 126)
    tbs = bytearray(build_tbs(meant))
    tbs[data.draw(st.integers(0, len(tbs) - 1))] ^= data.draw(st.integers(1, 255))
    assert linter(meant, bytes(tbs)) == ["read-back.differs"]


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("type_id", TYPES)
@pytest.mark.parametrize("family", KeyFamily)
def test_B3_any_other_bit_is_seen(make_contents: MakeContents, type_id: str, family: KeyFamily) -> None:
    """The decoder takes more than the encoder writes: what it does not tell apart is compared otherwise."""
    meant = make_contents(type_id, family)
    tbs = build_tbs(meant)
    assert difference(meant, tbs) is None
    for place in range(8 * len(tbs)):
        other = bytearray(tbs)
        other[place // 8] ^= 1 << place % 8
        assert difference.__wrapped__(meant, bytes(other)) is not None, divmod(place, 8)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("serial", {"serial": 1}),
        ("not_after", {"not_after": datetime(2027, 1, 1, tzinfo=UTC)}),
        ("subject", {"subject": Subject("Another Oy", "Helsingin VI apteekki", "0204819-8", "kanta.example.fi")}),
        ("names", {"names": AlternativeNames(("kanta.example.fi", "c.example.fi"))}),
        ("ocsp_url", {"ocsp_url": None}),
        ("usages", {"usages": frozenset((Usage.SERVER_AUTH,))}),
    ],
)
def test_B3_a_certificate_that_says_something_else_is_stopped(
    make_contents: MakeContents, linter: Linter, field: str, changes: Mapping[str, object]
) -> None:
    meant = make_contents("server", KeyFamily.RSA)
    assert linter.findings(meant, build_tbs(replace(meant, **changes))) == (
        Finding(Severity.FATAL, "read-back.differs", field),
    )


def test_B3_what_is_longer_or_no_certificate_at_all_is_stopped(make_contents: MakeContents, linter: Linter) -> None:
    meant = make_contents("server")
    for tbs in (build_tbs(meant) + b"\0", b"", b"\x30"):
        assert linter.findings(meant, tbs) == (Finding(Severity.FATAL, "read-back.differs", "form"),)


@pytest.mark.parametrize("mistake", [{"key_id": bytes(20)}, {"subject_der": b"\x30\x00"}])
def test_B3_an_issuer_of_another_name_or_key_is_seen_by_its_own_certificate(
    make_contents: MakeContents, linter: Linter, mistake: Mapping[str, bytes]
) -> None:
    """The issuer's name and key identifier are read from its certificate, so wrong ones are detected."""
    meant = make_contents("server")
    mistaken = replace(meant, issuer=replace(meant.issuer, **mistake))
    assert linter.findings(meant, build_tbs(mistaken))[0].where == "form"


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("_ATTRIBUTE_OID", {Attribute.UNIT: "2.5.4.10", Attribute.ORGANISATION: "2.5.4.11"}),
        ("_STRING_TYPE", {StringType.UTF8: der.PRINTABLE_STRING}),
        ("_EXTENSION_OID", {ExtensionName.SUBJECT_ALTERNATIVE_NAME: "2.5.29.18"}),
    ],
)
def test_B3_a_wrong_encoder_is_seen(
    make_contents: MakeContents,
    linter: Linter,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    changes: Mapping[object, object],
) -> None:
    for of, value in changes.items():
        monkeypatch.setitem(getattr(servicecert_pki.certificate, table), of, value)
    meant = make_contents("server")
    assert linter(meant, build_tbs(meant)) == ["read-back.differs"]


def test_B3_an_error_of_pkilint_stops_and_is_checked_again(
    make_contents: MakeContents, linter: Linter, linted: list[bytes]
) -> None:
    meant = make_contents("server", crl_url="http://under_score/a.crl")
    for _ in range(2):
        assert linter(meant, build_tbs(meant)) == ["pkix.invalid_uri_syntax"]
    assert len(linted) == 2


def test_B3_a_warning_is_told_and_counted_and_stops_nothing(make_contents: MakeContents, linter: Linter) -> None:
    assert linter.warned == {}
    meant = make_contents("server")
    lax = tuple(replace(it, critical=it.name is ExtensionName.BASIC_CONSTRAINTS) for it in meant.profile.extensions)
    meant = replace(meant, profile=replace(meant.profile, extensions=lax, digest="lax"))
    for _ in range(2):
        (finding,) = linter.findings(meant, build_tbs(meant))
        assert (finding.severity, finding.code) == (Severity.WARNING, "pkix.key_usage_extension_not_critical")
    for _ in range(2):
        assert linter(meant, build_tbs(meant)) == []
    # Each certificate counts, also one of a shape that pkilint saw before.
    assert linter.warned == {"pkix.key_usage_extension_not_critical": 2.0}


def test_B3_pkilint_sees_the_bytes_to_be_signed_under_a_throw_away_signature(
    make_contents: MakeContents, every: Linter, linted: list[bytes]
) -> None:
    for family in KeyFamily:
        meant = make_contents("server", family)
        every(meant, build_tbs(meant))
        tbs = next(der.members(linted[-1], der.read(linted[-1])))
        assert linted[-1][tbs.start : tbs.end] == build_tbs(meant)


def test_each_setting_lints_what_it_says(make_contents: MakeContents, every: Linter, linted: list[bytes]) -> None:
    alike = [
        make_contents("server", names=AlternativeNames((name, "b.example.fi")), subject=subject)
        for name in ("kanta.example.fi", "palvelin.example.fi")
        for subject in [Subject("Esimerkkiapteekki Oy", "Helsingin VI apteekki", "0204819-8", name)]
    ]
    shape = Linter(LintSetting.SHAPE, every.throw_away)
    for setting, expected in ((every, 2), (shape, 1)):
        linted.clear()
        for meant in alike:
            assert setting(meant, build_tbs(meant)) == []
        assert len(linted) == expected


def test_shapes_are_forgotten_in_their_order(
    make_contents: MakeContents, every: Linter, linted: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicecert_pki.lint, "_MAX_SHAPES", 2)
    shape = Linter(LintSetting.SHAPE, every.throw_away)
    first, second, third = (make_contents(type_id) for type_id in TYPES[:3])
    for meant in (first, second, second, third, second, third, first):
        shape(meant, build_tbs(meant))
    assert len(linted) == 4


def respelled(text: str) -> str:
    """Return another text of the same shape: other letters for letters, other digits for digits."""
    letters = {"a": "q", "z": "bb", "0": "77", "é": "ü", "Å": "Ö"}
    return "".join(letters.get(it, it) for it in text)


@settings(max_examples=25)
@given(st.data())
def test_certificates_of_one_shape_have_the_same_findings(
    make_contents: MakeContents, ca_keys: Mapping[str, SigningKey], data: st.DataObject
) -> None:
    """Return all findings, also notices: everything that pkilint reads of a certificate must be in its shape."""
    one = data.draw(contents(make_contents))
    names = AlternativeNames(
        tuple(it if "xn--" in it else respelled(it) for it in one.names.dns),
        tuple(ip_address(int(it) ^ 5) if it.version == 4 else it for it in one.names.ip),
    )
    subject = Subject(*(respelled(it)[:64] for it in vars(one.subject).values()))
    other = replace(one, names=names, subject=subject, serial=one.serial ^ 1 or 1)
    if shape_of(one) != shape_of(other) or max(map(len, names.dns), default=0) > 253:
        return
    key = ca_keys[one.issuer.id]
    assert everything(sign_tbs(unchecked(one), key)) == everything(sign_tbs(unchecked(other), key))


def unchecked(meant: Contents) -> bytes:
    """Return the bytes to be signed, even with an invalid subject."""
    return build_tbs(
        replace(meant, subject=replace(meant.subject, business_id="0204819-8", common_name=name_of(meant)))
    )


def name_of(meant: Contents) -> str:
    return meant.names.dns[0] if meant.names.dns else meant.subject.common_name


def everything(certificate: bytes) -> list[tuple[str, str]]:
    document = lint._CERTIFICATES.load_der_document(certificate)
    return sorted(
        (result.node.path.rsplit(".", 1)[-1], description.finding.code)
        for result in lint._CERTIFICATE.validate(document.root)
        for description in result.finding_descriptions
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"serial": 1},
        {"not_after": datetime(2050, 1, 1, tzinfo=UTC)},
        {"not_before": datetime(2050, 1, 1, tzinfo=UTC)},
        {"subject": Subject("Esimerkkiapteekki Oy 2", "Helsingin VI apteekki", "0204819-8", "kanta.example.fi")},
        {"subject": Subject("Ésimerkkiapteekki Oy", "Helsingin VI apteekki", "0204819-8", "kanta.example.fi")},
        {"names": AlternativeNames(("kanta.example.fi", "b-c.example.fi"))},
        {"names": AlternativeNames(("kanta.example.fi",), (ip_address("::1"),))},
        {"usages": frozenset()},
        {"ocsp_url": None},
        {"crl_url": "http://other.example.fi/a.crl"},
    ],
)
def test_what_pkilint_could_read_is_part_of_the_shape(
    make_contents: MakeContents, changes: Mapping[str, object]
) -> None:
    meant = make_contents("server")
    assert shape_of(replace(meant, **changes)) != shape_of(meant)


def test_a_partition_of_the_crl_is_no_shape_of_its_own(make_contents: MakeContents) -> None:
    one, other = (make_contents("server", crl_url=f"http://a.fi/ca-{number}.crl", serial=1) for number in (7, 12))
    assert shape_of(one) == shape_of(other)


def test_types_issuers_and_key_sizes_are_shapes_of_their_own(make_contents: MakeContents) -> None:
    assert len({shape_of(make_contents(type_id, family)) for type_id in TYPES for family in KeyFamily}) == 8


def test_what_is_no_certificate_and_no_crl_is_a_finding() -> None:
    assert lint_certificate(b"\x30\x00")[0].severity is Severity.FATAL
    assert lint_crl(b"x") == (Finding(Severity.FATAL, "unreadable", ""),)


def test_the_rules_of_pkilint_are_those_that_the_shape_was_made_for() -> None:
    """A new release with another rule fails here: read what it looks at, and whether the shape holds it.

    Then GOLDEN=write .venv/bin/pytest tests/pki/test_lint.py.
    """
    rules = sorted({f"{it.severity.name} {it.code}" for it in lint._CERTIFICATE.validations})
    text = "".join(f"{rule}\n" for rule in rules)
    if os.environ.get("GOLDEN") == "write":
        VALIDATORS.write_text(text)
    assert text == VALIDATORS.read_text()
