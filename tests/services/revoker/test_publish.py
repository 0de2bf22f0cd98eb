"""Publishing CRLs with real keys, a real database and a real HTTP server (D7, I7)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiohttp import web
from cryptography import x509
from databases import administer
from figures import figures_of
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL, crl_name, crl_url
from servicecert_revoker.crl import crl_pass
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Distribution
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.crl_orders import (
    CrlVersion,
    Published,
    PublishedCrl,
    PublishOrder,
    by_urgency,
    covering,
    partitions_to_publish,
)
from servicecert_revoker.domain.decide import schedule_key
from servicecert_revoker.domain.status import Valid
from servicecert_revoker.serving.crl_server import serve
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.revocation import StandingsCount
from servicecert_worker.core.decider import Done, Outcome, Retry, Stored, Task

Pool: TypeAlias = "asyncpg.Pool[Any]"

NOW = datetime(2026, 11, 24, 10, 2, 3, 450_000, tzinfo=UTC)


Register = Callable[..., Awaitable[Task]]


def scheduled(issuer: str = "test-ec") -> Task:
    return Task(uuid4(), schedule_key(issuer), "publish", PublishOrder(issuer=issuer), NOW)


def at(publish: Publish, url: str) -> Publish:
    """The same, fetched back from another address."""
    before = publish.runner.distribution
    distribution = replace(before, address=replace(before.address, url=url))
    return replace(publish, runner=replace(publish.runner, distribution=distribution))


def done(outcome: Outcome) -> Published:
    assert isinstance(outcome, Done), outcome
    assert isinstance(outcome.data, Published)
    return outcome.data


@asynccontextmanager
async def serving(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An address that answers so."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def crl_in(files: CrlFiles, issuer: str = "test-ec", partition: int = FULL) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl((files.folder / crl_name(issuer, partition)).read_bytes())


def serials(crl: x509.CertificateRevocationList) -> set[int]:
    return {entry.serial_number for entry in crl}


async def numbers(pool: Pool) -> list[int]:
    return [row["number"] for row in await pool.fetch("select number from crls order by allocated_at")]


async def test_D7_crl_lists_what_is_revoked_and_is_fetched_back(
    publish: Publish, register: Register, files: CrlFiles, authority: Authority, pool: Pool
) -> None:
    task = await register(0x1234, partition=2)
    (outcome,) = await publish([task])

    def published(partition: int) -> PublishedCrl:
        content = (files.folder / crl_name("test-ec", partition)).read_bytes()
        return PublishedCrl(
            partition=partition,
            number=1,
            url=crl_url(publish.runner.distribution.base_url, "test-ec", partition),
            this_update=NOW.replace(microsecond=0),
            next_update=NOW.replace(microsecond=0) + timedelta(hours=72),
            entries=int(partition in (FULL, 2)),
            sha256=sha256(content).hexdigest(),
            # An open revocation does not count yet, nor does its certificate.
            count=StandingsCount(at=NOW, crl_number=1, standings=0, total=0) if partition == FULL else None,
        )

    assert done(outcome) == Published(
        issuer="test-ec",
        crl=published(2),
        announced=(published(3), published(2), published(1), published(0)),
        next_planned=NOW.replace(microsecond=0) + timedelta(hours=24),
        published_at=NOW,
        request_id=task.data.request_id,
    )
    for partition in (0, 2):
        crl = crl_in(files, partition=partition)
        assert serials(crl) == {0x1234}
        assert crl.is_signature_valid(authority.issuer("test-ec").public_key)
    kept = await pool.fetch("select partition, sha256 from crls where published_at is not null order by partition")
    assert [tuple(row) for row in kept] == [(it, published(it).sha256) for it in range(4)]
    assert {path.name for path in files.folder.glob("[!.]*")} == {crl_name("test-ec", it) for it in range(4)}


async def test_empty_crl_is_published_on_schedule(publish: Publish, files: CrlFiles) -> None:
    (outcome,) = await publish([scheduled()])
    assert {crl.partition: crl.entries for crl in done(outcome).announced} == {0: 0, 1: 0, 2: 0, 3: 0}
    assert len(crl_in(files)) == 0


async def test_D7_certificates_keep_their_partition_whatever_number_is_configured(
    publish: Publish, register: Register, files: CrlFiles, pool: Pool, certificate: Certificate
) -> None:
    """Lowered and raised: a partition is published as long as a certificate names it, also without a revoked one."""
    valid = replace(certificate, serial="77", partition=6)
    async with pool.acquire() as connection, connection.transaction():
        await RevocationStore().save(connection, [Stored(str(uuid4()), 0, Valid(valid))])
    asked = [await register(0x05, partition=5)]
    for configured, number in ((1, 1), (9, 2), (2, 3)):
        runner = replace(publish.runner, partitions=configured)
        # A new one, as after a restart with another setting.
        (outcome, *_) = await replace(publish, runner=runner)([*asked, scheduled()])
        assert done(outcome).crl.number == number
        for partition in {*range(configured + 1), 5, 6}:
            assert serials(crl_in(files, partition=partition)) == ({0x05} if partition in (FULL, 5) else set())
        asked = []
    # What was made for the greater number goes on being published only where a certificate names it.
    kept = await pool.fetch("select partition from crls where number = 3 and published_at is not null")
    assert {row["partition"] for row in kept} == {0, 1, 2, 5, 6}
    task = await register(0x06, partition=5)
    (outcome,) = await replace(publish, runner=replace(publish.runner, partitions=1))([task])
    assert done(outcome).crl.partition == 5
    assert serials(crl_in(files, partition=5)) == {0x05, 0x06}


async def test_many_orders_share_one_crl_of_each_ca_and_one_tells_of_it(
    publish: Publish, register: Register, files: CrlFiles, pool: Pool
) -> None:
    tasks = [
        await register(1),
        await register(2, issuer="test-rsa"),
        scheduled("test-ec"),
        await register(3),
        await register(4, issuer="test-rsa"),
    ]
    outcomes = [done(outcome) for outcome in await publish(tasks)]
    assert [it.issuer for it in outcomes] == [task.data.issuer for task in tasks]
    assert [it.request_id for it in outcomes] == [task.data.request_id for task in tasks]
    assert [bool(it.announced) for it in outcomes] == [False, True, True, False, False]
    assert {it.number for it in outcomes} == {1}
    assert serials(crl_in(files)) == {1, 3}
    assert serials(crl_in(files, "test-rsa")) == {2, 4}
    assert await pool.fetchval("select count(*) from crls where partition = 0") == 2


async def test_D7_crl_that_fails_its_check_leaves_the_old_one_and_alarms(
    publish: Publish,
    register: Register,
    ca_keys: Mapping[str, SigningKey],
    files: CrlFiles,
    caplog: pytest.LogCaptureFixture,
    token: Callable[..., SigningKey],
) -> None:
    await publish([scheduled()])
    before = (files.folder / "test-ec.crl").read_bytes()
    slipping = replace(publish, keys={"test-ec": token(ca_keys["test-ec"], refuses=False)})
    (outcome,) = await slipping([await register(1)])
    assert isinstance(outcome, Retry)
    (line,) = [record for record in caplog.records if record.name == "servicecert_revoker.crl.order_queue"]
    assert line.levelname == "ERROR"
    assert line.getMessage().startswith("alarm: the CRL of test-ec is not published, the old one stays: gate ")
    assert (files.folder / "test-ec.crl").read_bytes() == before


async def test_D7_revoked_certificate_without_an_entry_alarms(publish: Publish, files: CrlFiles) -> None:
    order = PublishOrder(issuer="test-ec", serial="77", request_id=uuid4())
    (outcome,) = await publish([Task(uuid4(), str(uuid4()), "publish", order, NOW)])
    assert outcome == Retry("gate asked: 1 ordered certificates have no entry.")
    assert not (files.folder / "test-ec.crl").exists()


async def test_D7_changed_entry_is_found_before_publishing(
    publish: Publish, register: Register, pool: Pool, files: CrlFiles
) -> None:
    task, other = await register(1), await register(2)
    await administer(pool, "alter table revocations disable trigger revocations_final")
    serials = [each.data.serial for each in (task, other) if isinstance(each.data, PublishOrder)]
    changed = "update revocations set entry = (select entry from revocations where serial = $2) where serial = $1"
    assert await pool.execute(changed, *serials) == "UPDATE 1"
    (outcome, _) = await publish([task, other])
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("gate entries: ")
    assert not (files.folder / "test-ec.crl").exists()


async def test_D7_entry_stays_until_one_scheduled_crl_after_expiry(
    publish: Publish, register: Register, files: CrlFiles, clock: Any
) -> None:
    expiry = NOW + timedelta(hours=1)
    task = await register(1, not_after=expiry)
    await publish([task, scheduled()])
    clock.now = expiry + timedelta(minutes=1)
    await publish([await register(2)])
    assert serials(crl_in(files)) == {1, 2}
    clock.now = expiry + timedelta(minutes=2)
    await publish([scheduled()])
    assert serials(crl_in(files)) == {1, 2}
    clock.now = expiry + timedelta(hours=24)
    await publish([scheduled()])
    assert serials(crl_in(files)) == {2}
    (repeated,) = await publish([task])
    assert done(repeated).crl.entries == 2


async def test_D3_D7_what_is_revoked_after_its_end_is_on_one_scheduled_crl_too(
    publish: Publish, register: Register, files: CrlFiles, clock: Any
) -> None:
    """Its request was sent before the end and handled after it, when a scheduled CRL had already been published."""
    clock.now = NOW - timedelta(minutes=5)
    await publish([scheduled()])
    clock.now = NOW
    task = await register(1, not_after=NOW - timedelta(hours=1))
    await publish([task])
    assert serials(crl_in(files)) == {1}
    clock.now = NOW + timedelta(minutes=1)
    await publish([await register(2)])
    assert serials(crl_in(files)) == {1, 2}
    clock.now = NOW + timedelta(hours=1)
    await publish([scheduled()])
    assert serials(crl_in(files)) == {1, 2}
    clock.now = NOW + timedelta(hours=25)
    await publish([scheduled()])
    assert serials(crl_in(files)) == {2}


async def test_I7_crl_that_nobody_can_fetch_is_not_published(publish: Publish, register: Register, pool: Pool) -> None:
    async with serve(publish.runner.files.folder, "127.0.0.1", 0) as closed:
        pass
    (outcome,) = await at(publish, closed)([await register(1)])
    assert isinstance(outcome, Retry)
    assert "authority.toml" in outcome.reason
    assert await pool.fetchval("select count(*) from crls where published_at is not null") == 0


async def test_I7_other_bytes_than_the_published_are_not_published(
    publish: Publish, register: Register, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "test-ec.crl").write_bytes(b"an old copy")
    async with serve(elsewhere, "127.0.0.1", 0) as stale:
        (outcome,) = await at(publish, stale)([await register(1)])
    assert isinstance(outcome, Retry)
    assert "Another CRL" in outcome.reason


async def test_one_ca_without_its_key_does_not_stop_another(
    publish: Publish, register: Register, ca_keys: Mapping[str, SigningKey]
) -> None:
    bare = replace(publish, keys={"test-ec": ca_keys["test-ec"]})
    first, second, third = await bare(
        [await register(1, issuer="test-rsa"), await register(2), scheduled("unknown-ca")]
    )
    assert isinstance(first, Retry)
    assert "SERVICECERT_CA_DIR" in first.reason
    assert done(second).number == 1
    assert isinstance(third, Retry)


async def test_folder_that_is_gone_is_one_sentence(publish: Publish, register: Register) -> None:
    publish.runner.files.folder.rmdir()
    (outcome,) = await publish([await register(1)])
    assert isinstance(outcome, Retry)
    assert "SERVICECERT_CRL_DIR" in outcome.reason


async def test_f5_a_database_that_is_away_in_a_pass_is_no_fault_of_the_folder_and_stops_no_other_ca(
    publish: Publish, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = publish.runner.run

    async def away(issuer: IssuerInfo, *rest: Any) -> Any:
        if issuer.id != "test-rsa":
            return await run(issuer, *rest)
        with publish.runner.files.temporary_folder():
            raise TimeoutError

    monkeypatch.setattr(type(publish.runner), "run", lambda _, *given: away(*given))
    first, second = await publish([await register(1, issuer="test-rsa"), await register(2)])
    assert isinstance(first, Retry)
    assert "A pass broke off" in first.reason
    assert done(second).number == 1


def test_I10_representation_shows_no_key(publish: Publish) -> None:
    assert "keys" not in repr(publish)


def test_results_survive_their_storage() -> None:
    order = PublishOrder(issuer="test-ec", serial="0a", request_id=UUID(int=1))
    assert PublishOrder.model_validate_json(order.model_dump_json()) == order


async def test_f5_i7_one_crl_that_cannot_be_fetched_holds_no_other_up_and_is_tried_again_alone(
    publish: Publish, register: Register, files: CrlFiles, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow address of one CRL: its order waits, the others are done, and the next pass makes that one again."""
    copied: list[int] = []
    copy = Distribution.copy

    async def counted(of: Distribution, folder: Path, issuer: IssuerInfo, partition: int, version: CrlVersion) -> None:
        copied.append(partition)
        await copy(of, folder, issuer, partition, version)

    monkeypatch.setattr(Distribution, "copy", counted)
    mended = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/test-ec.2.crl":
            await mended.wait()
        return web.Response(body=(files.folder / request.path[1:]).read_bytes())

    async with serving(answer) as address:
        before = publish.runner.distribution
        distribution = replace(before, address=replace(before.address, url=address, seconds=2.0))
        runner = replace(publish.runner, distribution=distribution, partitions=3)
        publish = replace(publish, runner=runner)
        try:
            held, other, planned = await publish(
                [await register(1, partition=2), await register(2, partition=1), scheduled()]
            )
        finally:
            # The server ends once it has answered.
            mended.set()
        assert isinstance(held, Retry)
        assert isinstance(planned, Retry)
        assert {crl.partition for crl in done(other).announced} == {0, 1, 3}
        assert copied == [2, 1, 0, 3], "new revocations come first"
        assert serials(crl_in(files)) == {1, 2}, "all are written before one is fetched"
        kept = await pool.fetch("select partition from crls where published_at is not null")
        assert {row["partition"] for row in kept} == {0, 1, 3}
        (result,) = await publish([scheduled()])
        assert {crl.partition for crl in done(result).announced} == {0, 1, 2, 3}


async def test_f5_a_scheduled_order_that_is_tried_again_makes_only_what_is_left(
    publish: Publish, files: CrlFiles
) -> None:
    asked: list[str] = []
    missing = {"/test-ec.2.crl"}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        if request.path in missing:
            raise web.HTTPServiceUnavailable
        return web.Response(body=(files.folder / request.path[1:]).read_bytes())

    async with serving(answer) as address:
        publish = at(publish, address)
        (first,) = await publish([task := scheduled()])
        assert isinstance(first, Retry)
        missing.clear()
        asked.clear()
        (second,) = await publish([task])
        assert set(asked) == {"/test-ec.crl", "/test-ec.2.crl"}
        assert {crl.partition for crl in done(second).announced} == {0, 1, 2, 3}, "also those of the first pass"
        asked.clear()
        (third,) = await publish([scheduled()])
        assert len(asked) == 4
        assert {crl.number for crl in done(third).announced} == {3}


async def test_D7_a_scheduled_pass_counts_where_all_of_it_has_arrived(
    publish: Publish, register: Register, files: CrlFiles, clock: Any
) -> None:
    """Else an entry would be on no CRL of its partition from after its certificate's expiry."""
    missing: set[str] = set()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path in missing:
            raise web.HTTPServiceUnavailable
        return web.Response(body=(files.folder / request.path[1:]).read_bytes())

    expiry = NOW + timedelta(hours=1)
    async with serving(answer) as address:
        publish = at(publish, address)
        await publish([await register(1, partition=2, not_after=expiry)])
        clock.now = expiry + timedelta(minutes=1)
        missing.add("/test-ec.2.crl")
        (first,) = await publish([task := scheduled()])
        assert isinstance(first, Retry)
        missing.clear()
        clock.now += timedelta(minutes=1)
        assert isinstance((await publish([task]))[0], Done)
        assert serials(crl_in(files, partition=2)) == {1}
        clock.now += timedelta(hours=24)
        await publish([scheduled()])
        clock.now += timedelta(hours=24)
        await publish([scheduled()])
        assert serials(crl_in(files, partition=2)) == set()


async def test_f5_a_partition_that_no_certificate_can_name_costs_no_work_and_is_on_the_full_crl(
    publish: Publish, register: Register, files: CrlFiles, pool: Pool
) -> None:
    """As after a forged certificate: the pass would have walked over two thousand million numbers."""
    forged = await register(1, partition=2**31 - 1)
    async with asyncio.timeout(120):
        (outcome,) = await publish([await register(2, partition=1)])
        assert {crl.partition for crl in done(outcome).announced} == {0, 1, 2, 3}
        (outcome,) = await publish([forged])
        assert done(outcome).crl.partition == FULL
        assert serials(crl_in(files)) == {1, 2}
        shown = await figures_of(pool, datetime.now(UTC))
    assert set(shown["servicecert_crl_age_seconds"]) == {crl_name("test-ec", partition) for partition in (FULL, 1)}


async def test_f5_a_pass_starts_nothing_more_when_its_time_is_over(publish: Publish, register: Register) -> None:
    (outcome,) = await replace(publish, runner=replace(publish.runner, most_seconds=-1))([await register(1)])
    assert isinstance(outcome, Retry)
    assert "the next goes on" in outcome.reason
    assert publish.stats.failures["address"] == 1
    (outcome,) = await publish([await register(2)])
    assert done(outcome).number == 2


def test_f5_pass_is_bounded_by_the_partitions_that_exist() -> None:
    far = PublishOrder(issuer="test-ec", partition=2**31 - 1, serial="01")
    published = {0: None, 1: None, 2: None}
    assert partitions_to_publish([far], {}, {}, published, NOW) == frozenset(published)
    assert covering(far.partition, published) == FULL
    assert by_urgency(published, [far]) == [0, 2, 1]
    assert by_urgency(published, [PublishOrder(issuer="test-ec", partition=1, serial="01")]) == [1, 0, 2]
    assert by_urgency(published, [PublishOrder(issuer="test-ec")]) == [0, 2, 1]


async def test_F6_D7_a_list_is_never_from_after_the_databases_now(
    publish: Publish, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's clock is a day ahead: OpenSSL and Java refuse such a list, and so every certificate of its CA."""

    def wrong() -> datetime:
        return datetime.now(UTC) + timedelta(days=1)

    monkeypatch.setattr(crl_pass, "machine_clock", wrong)
    published = done((await replace(publish, runner=replace(publish.runner, clock=wrong))([scheduled()]))[0])
    assert published.crl.this_update <= await pool.fetchval("select now()")
