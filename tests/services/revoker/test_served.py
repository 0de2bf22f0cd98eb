"""What is served is compared with what was published, and published again where it differs (D7, F7)."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from crls import build_crl
from cryptography import x509
from servicecert_pki.authority import Authority
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.crl_reading import crl_fields, load
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_revoker.crl.files import CrlFiles, file_state
from servicecert_revoker.crl.gauges import CrlStats
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Address, CommandPublisher, NotPublished
from servicecert_revoker.crl.served import RootCrls, Served
from servicecert_revoker.domain.crl_orders import CrlVersion, Published, PublishOrder, is_served
from servicecert_revoker.domain.decide import schedule_key
from servicecert_revoker.serving.crl_server import serve
from servicecert_worker.core.clock import ClockWrong
from servicecert_worker.core.decider import Done, Task
from services.revoker.bucket import Bucket, Storage
from toy.stand import eventually

Pool: TypeAlias = "asyncpg.Pool[Any]"
Register = Callable[..., Awaitable[Task]]

CA = "test-ec"
CRLS = tuple(f"{CA}{part}.crl" for part in ("", ".1", ".2", ".3"))


@dataclass
class Watched:
    """A revoker that publishes and looks, turn by turn; its schedules are in the database."""

    publish: Publish
    pool: Pool
    served: Served

    @property
    def folder(self) -> Path:
        return self.publish.runner.files.folder

    @property
    def now(self) -> datetime:
        return self.publish.runner.clock()

    async def run(self, *orders: Task, ca: str = CA) -> Published:
        """Publish these orders, and what is scheduled, as a turn and its act do. The next time is a day later."""
        await self.pool.execute("delete from deadlines where key = $1", schedule_key(ca))
        order = Task(uuid4(), schedule_key(ca), "publish", PublishOrder(issuer=ca), self.now)
        *_, outcome = await self.publish([*orders, order])
        assert isinstance(outcome, Done), outcome
        assert isinstance(outcome.data, Published)
        await self.pool.execute(
            "insert into deadlines (key, kind, id, at) values ($1, 'publish', $2, $3)",
            schedule_key(ca),
            uuid4(),
            outcome.data.next_planned,
        )
        return outcome.data

    async def look(self) -> set[str]:
        """Look at all places; return the CAs whose CRLs are due, and publish those."""
        await self.served.look()
        rows = await self.pool.fetch("select key from deadlines where at <= $1", self.now)
        due = {row["key"].split("/")[1] for row in rows}
        for ca in due:
            await self.run(ca=ca)
        return due

    async def failures(self) -> dict[str, float]:
        """How often each place was found with other files than the published ones, or not at all."""
        return {place: count for place, count in self.served.roots.stats.failures.items() if count}

    def numbers(self, folder: Path | None = None) -> set[int]:
        return {crl_fields(load(((folder or self.folder) / name).read_bytes())).number for name in CRLS}


def watched(publish: Publish, pool: Pool, **changes: Any) -> Watched:
    """The same with other places."""
    distribution = replace(publish.runner.distribution, **changes)
    stats = CrlStats([it.name for it in distribution.publishers])
    runner = replace(publish.runner, distribution=distribution)
    publish = replace(publish, runner=runner, stats=stats)
    roots = RootCrls(publish.authority, runner.files, distribution, stats, runner.clock)
    return Watched(publish, pool, Served(runner, roots))


@pytest.fixture
async def revoker(publish: Publish, pool: Pool) -> Watched:
    made = watched(publish, pool)
    await made.served.start()
    await made.served.roots.check()
    return made


@pytest.fixture
async def bucket(object_storage: Storage, authority: Authority, tmp_path: Path) -> AsyncIterator[Bucket]:
    yield object_storage.bucket(tmp_path, authority.issuer(CA))
    object_storage.gateway.heal()


async def test_D7_partitions_that_are_added_have_lists_before_any_certificate_is_revoked(
    publish: Publish, pool: Pool
) -> None:
    for partitions in (1, 3):
        revoker = watched(replace(publish, runner=replace(publish.runner, partitions=partitions)), pool)
        await revoker.served.start()
        if partitions == 1:
            await revoker.run()
            assert not await revoker.look()
            assert not (revoker.folder / CRLS[3]).exists()
        else:
            assert await revoker.look() == {CA}
    assert len(revoker.numbers()) == 1
    assert not await revoker.look()


async def test_D7_a_command_that_fills_a_mirror_gets_the_cas_certificates_too(
    publish: Publish, pool: Pool, tmp_path: Path
) -> None:
    (mirror := tmp_path / "mirror").mkdir()
    copy = CommandPublisher(("sh", "-c", f'cp "$1" "{mirror}/$SERVICECERT_CRL_NAME"', "sh"))
    made = watched(publish, pool, publishers=[copy])
    wanted = {f"{ca.id}.cer": ca.certificate_der for ca in made.served._cas()}

    async def is_filled() -> bool:
        return {path.name: path.read_bytes() for path in mirror.glob("*.cer")} == wanted

    async with made.served.watching(lambda: None):
        await eventually(is_filled)
    failing = watched(publish, pool, publishers=[CommandPublisher(("false",))])
    assert not await failing.served._copy_certificate(publish.authority.issuer(CA))
    assert await failing.failures() == {"command": 1}


async def test_F6_nothing_is_published_again_while_the_clock_is_wrong(
    publish: Publish, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = watched(publish, pool)
    looked, rights, asked = asyncio.Event(), [False, False, True], []

    def require_clock() -> None:
        asked.append(is_right := rights.pop(0) if rights else True)
        if not is_right:
            raise ClockWrong

    async def look(_: object) -> None:
        looked.set()

    monkeypatch.setattr(Served, "look", look)
    async with asyncio.timeout(60), replace(made.served, every=0.0).watching(require_clock):
        await looked.wait()
    assert asked[:3] == [False, False, True]


async def test_F7_what_is_served_as_it_was_published_is_left_alone(revoker: Watched, register: Register) -> None:
    await revoker.run(await register(1, partition=2))
    before = {path.name: file_state(path) for path in revoker.folder.iterdir()}
    for _ in range(2):
        assert await revoker.look() == set()
    assert {path.name: file_state(path) for path in revoker.folder.iterdir()} == before
    assert await revoker.failures() == {}
    assert revoker.served.roots.stats.served == {
        **dict.fromkeys(CRLS, 1),
        **{f"{root}.crl": 1 for root in revoker.publish.authority.roots},
    }


async def test_F7_lost_files_are_published_again_at_the_next_look(
    revoker: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """An administrator empties the folder: CRLs, those of roots, and the CAs' certificates."""
    await revoker.run()
    names = {path.name for path in revoker.folder.iterdir()}
    for path in revoker.folder.iterdir():
        path.unlink()
    assert await revoker.look() == {CA}
    assert {path.name for path in revoker.folder.iterdir()} == names
    assert revoker.numbers() == {2}
    assert "Published files of test-ec are missing, older or other" in caplog.text
    assert await revoker.failures() == {"address": 1}
    assert await revoker.look() == set()
    assert await revoker.failures() == {"address": 1}


@pytest.mark.parametrize("lost", [CRLS[0], CRLS[3]])
async def test_F7_one_file_is_enough(revoker: Watched, lost: str) -> None:
    await revoker.run()
    (revoker.folder / lost).unlink()
    assert await revoker.look() == {CA}
    assert revoker.numbers() == {2}


async def test_f5_a_file_that_cannot_be_looked_at_holds_no_other_up(
    revoker: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    await revoker.run()
    current = Address.current

    async def denied(of: Address, file: str, issuer: IssuerInfo) -> CrlVersion | None:
        if file == CRLS[1]:
            raise NotPublished("address", "denied")
        return await current(of, file, issuer)

    monkeypatch.setattr(Address, "current", denied)
    before = await revoker.failures()
    (revoker.folder / CRLS[2]).unlink()
    assert await revoker.look() == {CA}
    assert await revoker.failures() != before


async def test_F7_an_older_copy_of_the_folder_takes_no_revocation_back(
    revoker: Watched, register: Register, tmp_path: Path
) -> None:
    await revoker.run()
    shutil.copytree(revoker.folder, tmp_path / "backup")
    await revoker.run(await register(0x1234, partition=2))
    shutil.copytree(tmp_path / "backup", revoker.folder, dirs_exist_ok=True)
    assert revoker.numbers() == {1}
    assert await revoker.look() == {CA}
    assert revoker.numbers() == {3}
    for name in (CRLS[0], CRLS[2]):
        (entry,) = x509.load_der_x509_crl((revoker.folder / name).read_bytes())
        assert entry.serial_number == 0x1234


async def test_F7_f5_what_the_ca_has_not_signed_is_replaced_and_holds_nothing_up(
    revoker: Watched, register: Register, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    """Without a key of the CA: a number that no CRL can be above, and an entry that no CRL may lose."""
    await revoker.run()
    foreign = build_crl(
        ca_keys["test-rsa"],
        authority.issuer(CA),
        revoker.now,
        revoker.now + timedelta(hours=72),
        (entry_der(0x77, revoker.now, Reason.KEY_COMPROMISE, None),),
        2**80,
    )
    for name in CRLS[:2]:
        (revoker.folder / name).write_bytes(foreign)
    for root in revoker.publish.authority.roots:
        (revoker.folder / f"{root}.crl").write_bytes(foreign)
    assert await revoker.look() == {CA}
    assert revoker.numbers() == {2}
    for root in revoker.publish.authority.roots:
        assert crl_fields(load((revoker.folder / f"{root}.crl").read_bytes())).number == 1


async def test_F7_another_crl_of_the_same_ca_is_not_the_one_that_was_published(revoker: Watched) -> None:
    """The full one, copied over a partition's: it is signed, and has the same or a later number."""
    await revoker.run()
    partitioned = await revoker.pool.fetchval("select max(number) from crls")
    shutil.copy(revoker.folder / CRLS[0], revoker.folder / CRLS[1])
    assert await revoker.look() == {CA}
    assert revoker.numbers() == {partitioned + 1}


def test_F7_only_a_pass_that_goes_on_has_a_newer_one() -> None:
    published = CrlVersion(7, "a")
    assert is_served(published, published, newest=9)
    assert is_served(CrlVersion(10, "b"), published, newest=9)
    for current in (None, CrlVersion(7, "b"), CrlVersion(6, "c"), CrlVersion(0, "d"), CrlVersion(9, "e")):
        assert not is_served(current, published, newest=9)


async def test_F7_a_pass_that_goes_on_is_no_difference(revoker: Watched) -> None:
    """Its CRLs are in the folder before they are in the books."""
    await revoker.run()
    started = await revoker.pool.fetch("select key, at from deadlines")
    runner = replace(revoker.publish.runner, most_seconds=-1)
    order = Task(uuid4(), schedule_key(CA), "publish", PublishOrder(issuer=CA), revoker.now)
    await replace(revoker.publish, runner=runner)([order])
    assert revoker.numbers() == {2}
    assert await revoker.look() == set()
    assert await revoker.pool.fetch("select key, at from deadlines") == started


async def test_F7_what_is_under_way_is_not_ordered_a_second_time(revoker: Watched) -> None:
    await revoker.run()
    await revoker.pool.execute("delete from deadlines")
    (revoker.folder / CRLS[0]).unlink()
    assert await revoker.look() == set()
    assert await revoker.pool.fetchval("select count(*) from deadlines") == 0


async def test_F7_a_bucket_that_lost_or_kept_an_older_one_gets_all_again(
    publish: Publish, pool: Pool, bucket: Bucket, register: Register
) -> None:
    revoker = watched(publish, pool, publishers=(bucket.publisher,))
    await revoker.served.start()
    await revoker.run()
    assert await revoker.look() == set(), "the CAs' certificates are put there at the first look"
    for file in (f"{CA}.cer", "test-root-ec.crl", CRLS[3]):
        assert bucket.read(file) == (revoker.folder / file).read_bytes()
    assert bucket.headers(f"{CA}.cer")["Content-Type"] == "application/pkix-cert"
    older = bucket.read(CRLS[0])
    assert older is not None
    await revoker.run(await register(7))
    bucket.lay(CRLS[0], older)
    assert await revoker.look() == {CA}
    for file in (CRLS[2], f"{CA}.cer", "test-root-ec.crl"):
        bucket.remove(file)
    bucket.lay("test-root-rsa.crl", b"no list")
    bucket.lay("test-rsa.cer", b"no certificate")
    assert await revoker.look() == {CA}
    for path in revoker.folder.glob("[!.]*"):
        assert bucket.read(path.name) == path.read_bytes()
    before = await revoker.failures()
    assert before["s3"] > 0
    assert await revoker.look() == set()
    assert await revoker.failures() == before


async def test_F7_the_address_is_looked_at_too_and_one_that_does_not_answer_is_a_failure(
    publish: Publish, pool: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another folder is served than the revoker's: that no publishing mends, and an operator must see it."""
    shutil.copytree(publish.runner.files.folder, tmp_path / "elsewhere")
    async with serve(tmp_path / "elsewhere", "127.0.0.1", 0) as other:
        revoker = watched(publish, pool)
        await revoker.served.start()
        await revoker.run()
        distribution = publish.runner.distribution
        astray = replace(distribution, address=replace(distribution.address, url=other))
        looking = replace(revoker.served.runner, distribution=astray)
        revoker = replace(revoker, served=replace(revoker.served, runner=looking))
        assert await revoker.look() == {CA}, "a folder that nobody serves is not looked at"
        assert await revoker.failures() == {"address": 1}
        numbers = revoker.served.roots.stats.served
        assert set(numbers.values()) == {0}
    assert await revoker.look() == set()
    assert await revoker.failures() == {"address": 2}
    assert "cannot be fetched from" in caplog.text


async def test_f5_what_has_not_changed_is_not_read_again_and_what_is_too_long_not_to_its_end(
    publish: Publish, files: CrlFiles, numbered: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = publish.runner.distribution.address
    issuer, made = publish.authority.issuer(CA), numbered(4)
    assert await address.current(CRLS[0], issuer) is None
    shutil.copy(made, files.folder / CRLS[0])
    first = await address.current(CRLS[0], issuer)
    assert first == CrlVersion.of(made.read_bytes(), issuer)
    assert await address.current(CRLS[0], issuer) is first
    monkeypatch.setattr("servicecert_revoker.crl.places.MOST_BYTES", 10)
    shutil.copy(numbered(5), files.folder / CRLS[0])
    assert await address.current(CRLS[0], issuer) == CrlVersion(0, "")
