"""CRLs written in parts equal those built in memory, and another library decodes them (D7)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import crl as asn1
from crls import build_crl
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.authority import Authority
from servicecert_pki.crl import CrlFile, CrlHead, CrlUnsound, Reason, RevokedCertificate, check_entry, entry_der
from servicecert_pki.crl_reading import (
    OutOfOrder,
    ReferenceOutOfOrder,
    SerialSet,
    Unreadable,
    compare_serials,
    crl_fields,
    entries,
    is_signed,
    load,
    serials,
)
from servicecert_pki.keys import PublicKey, SigningKey
from servicecert_pki.spki import KeyFamily

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
URL = "http://crl.example.fi/test-ec.3.crl"


class Fixed:
    """A key whose signature has a given size, because that of a real EC signature varies."""

    family = KeyFamily.EC

    def __init__(self, key: SigningKey, size: int) -> None:
        self._key, self._size = key, size

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        return bytes(self._size)


def head(authority: Authority, id: str = "test-ec", number: int = 7, url: str | None = None) -> CrlHead:
    return CrlHead(authority.issuer(id), number, NOW, NOW + timedelta(days=3), url)


def listed(*numbers: int) -> list[bytes]:
    return [entry_der(number, NOW, Reason.KEY_COMPROMISE) for number in numbers]


def written(path: Path, head: CrlHead, key: SigningKey, parts: list[bytes]) -> bytes:
    with CrlFile(path, head, sum(map(len, parts))) as file:
        for part in parts:
            file.add(part)
    file.read_back(bytes).sign(key)
    return path.read_bytes()


@pytest.mark.parametrize("url", [None, URL])
@pytest.mark.parametrize("count", [0, 1, 300])
@pytest.mark.parametrize("id", ["test-ec", "test-rsa"])
def test_D7_a_file_is_the_list_made_in_memory(
    authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path, id: str, count: int, url: str | None
) -> None:
    meant, key = head(authority, id, url=url), ca_keys[id]
    crl = written(tmp_path / "crl", meant, key, listed(*range(1, count + 1)))
    whole = build_crl(
        key, meant.issuer, meant.this_update, meant.next_update, listed(*range(1, count + 1)), meant.number, url
    )
    if id == "test-rsa":
        assert crl == whole
    assert load(crl).tbs_certlist_bytes == load(whole).tbs_certlist_bytes
    read = load(crl)
    assert asn1.CertificateList.load(crl, strict=True).dump(force=True) == crl
    assert is_signed(crl, read, meant.issuer)
    assert read.is_signature_valid(meant.issuer.public_key)
    assert list(serials(read)) == list(range(1, count + 1))
    assert bytes(entries(crl)) == b"".join(listed(*range(1, count + 1)))
    fields = crl_fields(read)
    assert (fields.number, fields.this_update, fields.next_update) == (7, NOW, NOW + timedelta(days=3))
    assert (fields.scope is None, fields.scope_critical) == (url is None, url is not None)


def test_D7_the_outer_header_fits_whatever_the_signatures_size(
    authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path
) -> None:
    """65,535 octets need a header of four octets, one more a header of five."""
    meant = head(authority)
    bare = len(written(tmp_path / "bare", meant, Fixed(ca_keys["test-ec"], 40), [bytes(60_000)])) - 60_000
    for size in range(20, 130, 7):
        fitting = bytes(65_535 + 4 - bare)
        crl = written(tmp_path / "crl", meant, Fixed(ca_keys["test-ec"], size), [fitting])
        length = int.from_bytes(crl[2 : 2 + (crl[1] & 0x7F)])
        assert len(crl) == 2 + (crl[1] & 0x7F) + length
        assert crl[1] == (0x82 if length < 65_536 else 0x83)
        assert crl[2 + (crl[1] & 0x7F)] == 0x30


def test_entries_are_as_many_as_were_announced(authority: Authority, tmp_path: Path) -> None:
    with CrlFile(tmp_path / "crl", head(authority), 10) as file:
        file.add(bytes(9))
        with pytest.raises(ValueError, match="larger than the announced size"):
            file.add(bytes(2))
    with CrlFile(tmp_path / "crl", head(authority), 10) as file:
        file.add(bytes(9))
    with pytest.raises(ValueError, match="smaller than the announced size"):
        file.read_back(bytes)


def test_D7_another_signature_is_seen(authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path) -> None:
    crl = written(tmp_path / "crl", head(authority), ca_keys["test-ec"], listed(1))
    issuer = authority.issuer("test-ec")
    for wrong in (crl[:-1] + bytes((crl[-1] ^ 1,)), crl.replace(b"\x02\x01\x07", b"\x02\x01\x08")):
        assert not is_signed(wrong, load(wrong), issuer)
    assert not is_signed(crl, load(crl), authority.issuer("test-rsa"))
    assert not is_signed(crl + b"\0", load(crl), issuer)
    assert not is_signed(b"", load(crl), issuer)


@pytest.mark.parametrize("wrong", [b"", b"no list", b"\x30\x00"])
def test_what_is_no_list_is_unreadable(wrong: bytes) -> None:
    with pytest.raises(Unreadable):
        crl_fields(load(wrong))


def test_f5_a_list_whose_issuer_has_a_name_of_bits_is_unreadable(
    authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path
) -> None:
    """The library raises TypeError for it. Whoever may write to a bucket may leave one there."""
    crl = written(tmp_path / "crl", head(authority), ca_keys["test-ec"], listed(1))
    with pytest.raises(Unreadable):
        crl_fields(load(crl.replace(b"\x13\x02FI", b"\x03\x02\x00I")))


@given(st.sets(st.integers(1, 1 << 159)), st.sets(st.integers(1, 1 << 159)), st.sets(st.integers(1, 1 << 159)))
def test_I7_what_vanished_is_found(kept: set[int], gone: set[int], come: set[int]) -> None:
    new, old = kept | come, kept | gone
    serials, missing = compare_serials(sorted(new), sorted(old))
    assert missing == sorted(old - new)
    assert (serials.count, serials.total) == (len(new), sum(new))
    assert serials == compare_serials(sorted(new), ())[0]
    assert isinstance(serials, SerialSet)


def test_disorder_is_seen_on_both_sides() -> None:
    for wrong in ([2, 1], [1, 1]):
        with pytest.raises(OutOfOrder):
            compare_serials(wrong, ())
        with pytest.raises(ReferenceOutOfOrder):
            compare_serials([5], wrong)


def test_D7_an_entry_is_read_back_before_it_is_stored() -> None:
    meant = RevokedCertificate(77, NOW, Reason.KEY_COMPROMISE, NOW - timedelta(days=1))
    made = entry_der(meant.serial, meant.revoked_at, meant.reason, meant.invalidity_date)
    check_entry(made, meant)
    for wrong in (b"", made[:-1], made + made, entry_der(78, NOW, Reason.KEY_COMPROMISE)):
        with pytest.raises(CrlUnsound, match="cannot be decoded again"):
            check_entry(wrong, meant)
