"""What holds for every place of CRLs: a folder, a bucket, the target of a command (D7, I7)."""

import errno
import fcntl
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.places import CommandPublisher, NotPublished
from services.revoker.bucket import Bucket, Storage

CRL = "test-ec.crl"
Numbered = Callable[[int], Path]


class Place(Protocol):
    """A place as relying parties see it: `read` returns what is there."""

    async def put(self, made: Path, number: int) -> None: ...

    def read(self) -> bytes | None: ...

    def remove(self) -> None:
        """Take the whole place away."""

    def bring_back(self) -> None: ...

    def hinder(self) -> None:
        """Let whatever is put there fail on the way, until it is healed."""

    def heal(self) -> None: ...


@dataclass
class Folder:
    tmp_path: Path
    issuer: IssuerInfo
    patch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        self.files = CrlFiles(self.tmp_path / "crls")
        self.files.prepare()

    async def put(self, made: Path, number: int) -> None:
        copy = shutil.copy(made, self.tmp_path / f"to-be-moved-{number}")
        self.files.put_crl(self.issuer, 0, copy, number)

    def read(self) -> bytes | None:
        return self.files.content("test-ec", 0)

    def remove(self) -> None:
        self.files.folder.rename(self.tmp_path / "away")

    def bring_back(self) -> None:
        (self.tmp_path / "away").rename(self.files.folder)

    def hinder(self) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.patch.setattr(Path, "replace", full)

    def heal(self) -> None:
        self.patch.undo()


@dataclass
class Elsewhere:
    """Another folder, that a command copies to."""

    tmp_path: Path
    issuer: IssuerInfo
    hindered: bool = False

    def __post_init__(self) -> None:
        self.folder = self.tmp_path / "elsewhere"
        self.folder.mkdir()

    async def put(self, made: Path, number: int) -> None:
        copy = (
            "import os, shutil, sys; there, made = sys.argv[1:]; "
            "place = os.path.join(there, os.environ['SERVICECERT_CRL_NAME']);"
            "shutil.copy(made, place + '.new'); os.replace(place + '.new', place)"
        )
        program = "raise SystemExit(3)" if self.hindered else copy
        await CommandPublisher((sys.executable, "-c", program, str(self.folder))).put(CRL, made, number, self.issuer)

    def read(self) -> bytes | None:
        path = self.folder / CRL
        return path.read_bytes() if path.exists() else None

    def remove(self) -> None:
        self.folder.rename(self.tmp_path / "away")

    def bring_back(self) -> None:
        (self.tmp_path / "away").rename(self.folder)

    def hinder(self) -> None:
        self.hindered = True

    def heal(self) -> None:
        self.hindered = False


@dataclass
class InBucket:
    storage: Storage
    tmp_path: Path
    issuer: IssuerInfo
    bucket: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = self.storage.bucket(self.tmp_path, self.issuer)

    async def put(self, made: Path, number: int) -> None:
        await self.bucket.publisher.put(CRL, made, number, self.issuer)

    def read(self) -> bytes | None:
        return self.bucket.read(CRL)

    def remove(self) -> None:
        self.storage.gateway.hides = True

    def bring_back(self) -> None:
        self.storage.gateway.heal()

    def hinder(self) -> None:
        self.storage.gateway.fault = 500

    def heal(self) -> None:
        self.storage.gateway.heal()


@pytest.fixture(params=["folder", "command", "bucket"])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    authority: Authority,
    object_storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    issuer = authority.issuer("test-ec")
    match request.param:
        case "folder":
            return Folder(tmp_path, issuer, monkeypatch)
        case "command":
            return Elsewhere(tmp_path, issuer)
        case _:
            return InBucket(object_storage, tmp_path, issuer)


async def failing(place: Place, made: Path, number: int) -> str:
    with pytest.raises(NotPublished) as failed:
        await place.put(made, number)
    assert "\n" not in str(failed.value)
    return str(failed.value)


async def test_D7_world_sees_the_newest_whole(place: Place, numbered: Numbered) -> None:
    assert place.read() is None
    for number in (1, 2, 5):
        await place.put(made := numbered(number), number)
        assert place.read() == made.read_bytes()


async def test_D7_what_fails_on_the_way_leaves_the_old_one_and_the_next_try_brings_the_new_one(
    place: Place, numbered: Numbered
) -> None:
    await place.put(old := numbered(1), 1)
    newer = numbered(2)
    place.hinder()
    await failing(place, newer, 2)
    place.heal()
    assert place.read() == old.read_bytes()
    await place.put(newer, 2)
    assert place.read() == newer.read_bytes()


async def test_D7_place_that_is_not_there_is_named_and_used_again_when_it_is(place: Place, numbered: Numbered) -> None:
    place.remove()
    made = numbered(1)
    assert "SERVICECERT_CRL_" in await failing(place, made, 1)
    place.bring_back()
    await place.put(made, 1)
    assert place.read() == made.read_bytes()


@pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)
async def test_I8_stale_revoker_brings_no_older_crl_back(place: Place, numbered: Numbered) -> None:
    """A command decides that itself, by the number that it gets."""
    await place.put(newer := numbered(7), 7)
    assert "is outdated" in await failing(place, numbered(6), 6)
    assert place.read() == newer.read_bytes()


def test_I8_a_folder_that_revokers_share_is_locked_by_a_file_that_is_open_for_writing(
    tmp_path: Path, authority: Authority, numbered: Numbered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS locks no folders."""
    files, seen = CrlFiles(tmp_path), []

    def look(_: CrlFiles, file: str, __: IssuerInfo) -> None:
        with (tmp_path / ".lock").open("ab") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(file)

    monkeypatch.setattr(CrlFiles, "version", look)
    files.put_crl(authority.issuer("test-ec"), 0, Path(shutil.copy(numbered(1), tmp_path / "made")), 1)
    assert seen == [CRL]


def test_D7_revoker_starts_while_another_clears_away_what_it_made(tmp_path: Path) -> None:
    """A link to nothing is listed, but cannot be looked at: as what another revoker removes in between."""
    files = CrlFiles(tmp_path)
    (tmp_path / ".making-x").symlink_to(tmp_path / "gone")
    files.prepare()
    with files.temporary_folder() as made:
        assert made.is_dir()
