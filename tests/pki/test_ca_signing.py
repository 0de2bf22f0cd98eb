"""F3: only what was read back and rebuilt in the act is signed with a CA's key, and there is no other way to one."""

import ast
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.ca_signing import (
    Checked,
    SettingsDiffer,
    SigningRefused,
    check_responder,
    check_service_certificate,
    sign_certificate,
    sign_crl,
)
from servicecert_pki.certificate import Contents, build_tbs, tbs_of
from servicecert_pki.crl import CrlFile, CrlHead, CrlUnsound, ReadBack, Reason, entry_der
from servicecert_pki.crl_reading import is_signed, load
from servicecert_pki.keys import KeyUnavailable, PublicKey, SigningKey
from servicecert_pki.names import CertificateRefused
from servicecert_pki.ocsp_messages import ResponderKey
from servicecert_pki.profile import Usage
from servicecert_pki.responder_certificate import LIFE, build_responder_tbs
from servicecert_pki.spki import KeyFamily, spki_sha256

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def every_contents(make_contents: Any) -> list[Contents]:
    """A certificate of each type and kind of key."""
    types = ("server", "system-signature", "test-server", "test-system-signature")
    return [make_contents(type, family) for type in types for family in KeyFamily]


def checked(contents: Contents, tbs: bytes | None = None, **changes: Any) -> Checked:
    """Check the bytes against the contents, with changes; without bytes those of the unchanged contents."""
    meant = replace(contents, **changes)
    return check_service_certificate(build_tbs(contents) if tbs is None else tbs, meant, lambda *_: ())


def refusal(contents: Contents, tbs: bytes | None = None, **changes: Any) -> str:
    with pytest.raises(SigningRefused) as raised:
        checked(contents, tbs, **changes)
    assert not isinstance(raised.value, SettingsDiffer)
    return raised.value.code


def test_f3_an_honest_certificate_is_signed_as_it_was_intended(
    every_contents: list[Contents], ca_keys: Mapping[str, SigningKey]
) -> None:
    for contents in every_contents:
        tbs = build_tbs(contents)
        allowed = checked(contents)
        assert allowed == Checked(contents.issuer, tbs)
        certificate = x509.load_der_x509_certificate(sign_certificate(allowed, ca_keys[contents.issuer.id]))
        assert certificate.tbs_certificate_bytes == tbs


def _with(contents: Contents, *, drop: int | None = None, add: bytes = b"", swap: bool = False, **fields: Any) -> bytes:
    """The TBSCertificate of the contents with other extensions or fields, as an attacker builds it."""
    tbs = build_tbs(contents)
    parts = [tbs[it.start : it.end] for it in der.members(tbs, der.read(tbs))]
    (inner,) = der.members(parts[7], der.read(parts[7]))
    listed = [parts[7][it.start : it.end] for it in der.members(parts[7], inner)]
    if drop is not None:
        del listed[drop]
    if swap:
        listed[:2] = listed[1::-1]
    valid = (fields.get("not_before", contents.not_before), fields.get("not_after", contents.not_after))
    return tbs_of(contents.issuer, contents.serial, valid, parts[5], parts[6], *listed, *([add] if add else []))


def test_f3_anything_that_the_profile_does_not_build_is_refused(every_contents: list[Contents]) -> None:
    contents = every_contents[0]
    ca_true = der.extension("2.5.29.19", der.sequence(b"\x01\x01\xff"), critical=True)
    unknown = der.extension("1.2.3.4", b"\x05\x00")
    tbs = build_tbs(contents)
    for attack in (
        b"",
        b"\x30\x00",
        tbs + b"\x00",
        x509.load_der_x509_certificate(contents.issuer.certificate_der).tbs_certificate_bytes,
        _with(contents, add=unknown),
        _with(contents, add=ca_true),
        _with(contents, swap=True),
        *(_with(contents, drop=number) for number in range(len(contents.profile.extensions))),
    ):
        assert refusal(contents, attack) == "profile"
    longer = _with(contents, not_after=contents.not_before + timedelta(days=3660))
    assert refusal(contents, longer) == "profile"
    with pytest.raises(CertificateRefused, match="longer"):
        checked(contents, longer, not_after=contents.not_before + timedelta(days=3660))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_f3_no_changed_bit_is_signed(every_contents: list[Contents]) -> None:
    contents = every_contents[2]
    tbs = build_tbs(contents)
    for place in range(len(tbs)):
        attack = bytearray(tbs)
        attack[place] ^= 1 << place % 8
        with pytest.raises(SigningRefused):
            checked(contents, bytes(attack))


def test_f3_other_contents_than_follow_are_refused(every_contents: list[Contents]) -> None:
    contents = next(each for each in every_contents if each.issuer.family is KeyFamily.EC)
    second = timedelta(seconds=1)
    another = ec.generate_private_key(ec.SECP384R1()).public_key()
    for change in (
        {"subject": replace(contents.subject, organisation="Another Oy")},
        {"names": replace(contents.names, dns=contents.names.dns[:1])},
        {"spki": another.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)},
        {"usages": frozenset({Usage.CLIENT_AUTH})},
        {"serial": contents.serial + 1},
        {"not_before": contents.not_before + second},
        {"not_after": contents.not_after - second},
    ):
        assert refusal(contents, **change) == "books"


def test_f3_what_was_intended_under_other_settings_is_told_apart(every_contents: list[Contents]) -> None:
    contents = every_contents[0]
    stated = replace(contents.profile, cps="https://other.example.fi/cps")
    for change in ({"crl_url": "http://other.example.fi/x.crl"}, {"profile": stated}):
        with pytest.raises(SettingsDiffer, match="addresses"):
            checked(contents, **change)
    with pytest.raises(SettingsDiffer, match="addresses"):
        checked(replace(contents, profile=stated), build_tbs(contents))
    assert refusal(contents, profile=replace(contents.profile, policy="1.2.3")) == "profile"


def test_f3_findings_of_the_linter_are_a_refusal(every_contents: list[Contents]) -> None:
    contents = every_contents[0]
    with pytest.raises(SigningRefused) as raised:
        check_service_certificate(build_tbs(contents), contents, lambda *_: ("pkix.a",))
    assert raised.value.code == "lint"


def test_f3_the_key_of_another_ca_is_not_used(
    every_contents: list[Contents], ca_keys: Mapping[str, SigningKey]
) -> None:
    contents = every_contents[0]
    (another, *_) = (key for id, key in ca_keys.items() if id != contents.issuer.id)
    with pytest.raises(KeyUnavailable):
        sign_certificate(checked(contents), another)


@pytest.mark.parametrize("id", ["test-ec", "test-rsa"])
def test_f3_only_a_responders_certificate_of_days_is_signed(
    authority: Authority, ca_keys: Mapping[str, SigningKey], id: str
) -> None:
    issuer, key = authority.issuer(id), ResponderKey.draw()
    serial, digest, until = 1 << 126, spki_sha256(key.spki), NOW + LIFE
    tbs = build_responder_tbs(issuer, key.spki, serial, NOW - timedelta(minutes=10), until)
    allowed = check_responder(tbs, serial, digest, until, issuer, NOW)
    certificate = x509.load_der_x509_certificate(sign_certificate(allowed, ca_keys[id]))
    assert certificate.tbs_certificate_bytes == tbs
    for attack, code in (
        (x509.load_der_x509_certificate(issuer.certificate_der).tbs_certificate_bytes, "profile"),
        (tbs + b"\x00", "profile"),
        (build_responder_tbs(issuer, key.spki, serial, NOW, NOW + 2 * LIFE), "life"),
        (build_responder_tbs(issuer, key.spki, serial + 1, NOW, until), "books"),
    ):
        with pytest.raises(SigningRefused) as raised:
            check_responder(attack, serial, digest, until, issuer, NOW)
        assert raised.value.code == code


def written(path: Path, head: CrlHead, *serials: int) -> CrlFile:
    entries = [entry_der(serial, NOW, Reason.KEY_COMPROMISE) for serial in serials]
    with CrlFile(path, head, sum(map(len, entries))) as file:
        for entry in entries:
            file.add(entry)
    return file


@pytest.mark.parametrize("id", ["test-ec", "test-rsa"])
def test_f3_a_list_is_read_before_it_is_signed(
    authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path, id: str
) -> None:
    head = CrlHead(authority.issuer(id), 7, NOW, NOW + timedelta(days=3))
    file = written(tmp_path / "crl", head, 5, 6)
    read = file.read_back(lambda content: load(content).tbs_certlist_bytes)
    crl = sign_crl(read, ca_keys[id])
    assert crl == file.path.read_bytes()
    assert is_signed(crl, load(crl), head.issuer)
    assert load(crl).tbs_certlist_bytes == read.passed
    with pytest.raises(KeyUnavailable):
        sign_crl(read, ca_keys["production-ec"])


def test_f3_a_list_that_fails_its_check_is_not_signed(authority: Authority, tmp_path: Path) -> None:
    def fails(_: bytes) -> None:
        raise CrlUnsound("not this one")

    file = written(tmp_path / "crl", CrlHead(authority.issuer("test-ec"), 7, NOW, NOW + timedelta(days=3)), 5)
    with pytest.raises(CrlUnsound, match="not this one"):
        file.read_back(fails)


class Slipping:
    """A key whose arithmetic slips."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.family = key.family

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        return self._key.sign(*parts, b"a slip")


def test_f3_D7_a_list_that_changed_since_its_check_or_is_wrongly_signed_is_not_published(
    authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path
) -> None:
    head = CrlHead(authority.issuer("test-ec"), 7, NOW, NOW + timedelta(days=3))
    read: ReadBack[object] = written(tmp_path / "crl", head, 5).read_back(bytes)
    with pytest.raises(CrlUnsound, match="not signed by test-ec"):
        sign_crl(read, Slipping(ca_keys["test-ec"]))
    file = written(tmp_path / "other", head, 5)
    read = file.read_back(bytes)
    content = bytearray(file.path.read_bytes())
    content[content.index(b"\x02\x01\x05") + 2] = 6
    file.path.write_bytes(content)
    with pytest.raises(CrlUnsound, match="changed between"):
        sign_crl(read, ca_keys["test-ec"])


DOORS = {
    "sign_tbs": {"certificate.py", "ca_signing.py", "lint.py"},
    "Checked": {"ca_signing.py"},
    "ReadBack": {"crl.py"},
    ".sign": {
        "certificate.py",
        "crl.py",
        "ca_certificate.py",
        "ca_signing.py",
        "software_key.py",
        "token_key.py",
        "ocsp_messages.py",
    },
}
"""Who may call what: in pki the named files, in issuer and revoker nobody. `lint` signs with throw-away keys,
`ca_certificate` with roots' keys in ceremonies, `ocsp_messages` with a responder's own."""


def _calls(file: Path) -> set[str]:
    calls = (node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
    names = {f".{call.attr}" if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    return names & DOORS.keys()


def test_f3_there_is_one_door_to_a_ca_key() -> None:
    for file in sorted((ROOT / "pki").rglob("*.py")):
        for name in _calls(file):
            assert file.name in DOORS[name], f"{file} calls {name}"
    signing = [ROOT / "services" / "issuer", ROOT / "services" / "revoker"]
    for file in (file for folder in signing for file in folder.rglob("*.py")):
        assert not _calls(file) & {"sign_tbs", "Checked", "ReadBack", ".sign"}, file
