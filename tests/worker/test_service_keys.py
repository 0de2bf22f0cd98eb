"""Services' own keys in files, and the public keys that readers pin (F2)."""

import os
from base64 import b64decode
from datetime import datetime
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import pytest
from servicecert_cli.operations.files import write_whole
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.service_keys import PUBLIC, key_id, make_keys, read_key, read_public_keys


def test_an_invalid_key_is_refused_in_a_sentence(tmp_path: Path) -> None:
    created = make_keys(tmp_path, ["issuer"])
    assert [path.name for path in created] == ["issuer.key", "issuer.pub"]
    assert created[0].stat().st_mode & 0o777 == 0o600
    with pytest.raises(OperatorError, match="is not overwritten"):
        make_keys(tmp_path, ["issuer"])
    with pytest.raises(OperatorError, match="cannot be read"):
        read_key(tmp_path / "nothing")
    wrong = tmp_path / "wrong.key"
    wrong.write_bytes(created[1].read_bytes())
    wrong.chmod(0o400)
    with pytest.raises(OperatorError, match="holds no Ed25519 private key"):
        read_key(wrong)
    with pytest.raises(OperatorError, match="There is no public key"):
        read_public_keys(tmp_path / "nowhere")
    created[1].write_bytes(b64decode("AAAA"))
    with pytest.raises(OperatorError, match="holds no Ed25519 public key"):
        read_public_keys(tmp_path)
    with pytest.raises(OperatorError, match="cannot be written"):
        make_keys(created[1] / "below", ["issuer"])


def test_a_disk_that_is_full_leaves_no_empty_file_in_the_way(tmp_path: Path) -> None:
    _, most = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (10, most))
    try:
        with pytest.raises(OperatorError, match="cannot be written"):
            make_keys(tmp_path, ["issuer"])
        with pytest.raises(OSError, match="File too large"):
            write_whole(tmp_path / "url", b"postgresql://", 0o600)
    finally:
        setrlimit(RLIMIT_FSIZE, (most, most))
    assert list(tmp_path.iterdir()) == []
    assert len(make_keys(tmp_path, ["issuer"])) == 2


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o640 | 0o010, 0o644, 0o666])
def test_F2_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    private, _ = make_keys(tmp_path, ["issuer"])
    # The group of this file may be this user's private one, which may read: to root, it is another's.
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    private.chmod(mode)
    with pytest.raises(OperatorError, match=r"others can read .*chmod 600"):
        read_key(private)


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_F2_a_key_of_its_owner_is_read(tmp_path: Path, mode: int) -> None:
    private, _ = make_keys(tmp_path, ["issuer"])
    private.chmod(mode)
    assert key_id(read_key(private).public_key()) in read_public_keys(tmp_path)


def test_F2_each_private_key_can_have_a_folder_of_its_own_and_all_share_the_public_ones(tmp_path: Path) -> None:
    make_keys(tmp_path, SERVICES, apart=True)
    for service in SERVICES:
        assert [path.name for path in (tmp_path / service).iterdir()] == [f"{service}.key"]
    assert {path.name for path in (tmp_path / PUBLIC).iterdir()} == {f"{service}.pub" for service in SERVICES}
    assert len(read_public_keys(tmp_path / PUBLIC)) == len(SERVICES)


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("Not after 2027-12-31T12:00:00+02:00", "2027-12-31T10:00:00Z"),
        ("not after: 2027-12-31T10:00Z", "2027-12-31T10:00:00Z"),
        ("Not-After 2027-12-31T10:00Z\nNot after 2026-12-31T10:00Z", "2026-12-31T10:00:00Z"),
    ],
)
def test_F2_a_public_key_may_have_an_end(tmp_path: Path, line: str, end: str) -> None:
    _, public, *_ = make_keys(tmp_path, ["issuer", "notifier"])
    public.write_text(f"{line}\n{public.read_text()}")
    by_service = {name: key for key in read_public_keys(tmp_path).values() for name in key.services}
    never = by_service["notifier"].not_after
    assert never.year == 9999
    assert by_service["issuer"].not_after == datetime.fromisoformat(end)
    # A copy without an end gives it no other one.
    (tmp_path / "issuer-copy.pub").write_text(public.read_text().partition("\n")[2])
    assert {each.not_after for each in read_public_keys(tmp_path).values()} == {
        by_service["issuer"].not_after,
        never,
    }


@pytest.mark.parametrize(
    "line",
    [
        "Not after",
        "Not after 2027-12-31T12:00:00",
        "Not after tomorrow",
        "NOT AFTER \xff",
        "# Not after 2027-12-31T12:00:00Z",
        " Not after 2027-12-31T12:00:00Z",
        "\ufeffNot after 2027-12-31T12:00:00Z".encode().decode("latin-1"),
        "Valid until 2027-12-31T12:00:00Z",
    ],
)
def test_F2_an_end_that_is_not_understood_is_refused(tmp_path: Path, line: str) -> None:
    _, public = make_keys(tmp_path, ["issuer"])
    public.write_bytes(f"{line}\n".encode("latin-1") + public.read_bytes())
    with pytest.raises(OperatorError, match=r"issuer\.pub: write its end as in `Not after 2027"):
        read_public_keys(tmp_path)


def test_B6_F4_a_service_does_not_sign_with_another_service_s_key(tmp_path: Path) -> None:
    """A key says whose it is; one that does not is nobody's."""
    key, _, other, _ = make_keys(tmp_path, ["issuer", "notifier"])
    with pytest.raises(OperatorError, match="is the key of notifier: give issuer its own"):
        read_key(other, "issuer")
    assert read_key(key, "issuer").public_key() == read_key(key).public_key()
    key.write_bytes(key.read_bytes().partition(b"\n")[2])
    with pytest.raises(OperatorError, match="is the key of no service: give issuer its own"):
        read_key(key, "issuer")
