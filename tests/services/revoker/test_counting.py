"""The revoker counts as many standings of a CA as a responder knows that has read all that it published (D8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.domain.certificates import Certificate, Void
from servicecert_revoker.domain.crl_orders import Published
from servicecert_revoker.domain.status import (
    Awaited,
    Entered,
    Listed,
    Registered,
    Revocation,
    Revoked,
    Status,
    Valid,
    standing,
)
from servicecert_revoker.ocsp.domain.standings import FullCrl, Lack, Standings
from servicecert_revoker.storage.crls import count_standings
from servicecert_revoker.storage.store import RevocationStore
from servicecert_worker.core.decider import Done, Stored
from services.revoker.conftest import NOW, Clock, Pool

CA = "test-ec"
SERIALS = ("01", "9c", "ffffffffffffff", "4a00000000000000000000000000000b", "7f" * 20, "7fffffffffffffffffffffffff")


@pytest.fixture
def statuses(certificate: Certificate, registered: Registered) -> list[tuple[str, Status]]:
    """Certificates and void serial numbers of every standing, each with a serial number of its own; and others."""
    entry = registered.revocation

    def each() -> Iterator[Status]:
        kinds: tuple[type[Entered], ...] = (Registered, Listed, Revoked)
        for place, serial in enumerate(SERIALS):
            of_case = replace(certificate, serial=serial)
            yield Valid(of_case) if place == 0 else kinds[place % 3](of_case, _of_request(entry))
        for kind in kinds:
            void = Void(CA, f"{0xA0 + kinds.index(kind):x}", certificate.not_after, 1)
            yield kind(void, _of_request(entry))
        yield Revoked(replace(certificate, serial="b1"), _of_request(entry), changed=True)
        yield Valid(replace(certificate, serial="b2", second_of=str(uuid4()), recipients=()))
        yield Valid(replace(certificate, serial="b3", issuer="test-rsa"))
        yield Awaited(())

    return [(str(uuid4()), status) for status in each()]


def _of_request(entry: Revocation) -> Revocation:
    return replace(entry, request_id=uuid4())


def responder(statuses: list[tuple[str, Status]]) -> Standings:
    standings = Standings()
    standings.cas[CA].crl = FullCrl(1, NOW + timedelta(days=3))
    for _, status in statuses:
        match status:
            case Listed() | Revoked():
                standings.take(standing(status.certificate, status.revocation), NOW)
            case Valid(issued) | Registered(Certificate() as issued):
                standings.take(standing(issued), NOW)
    return standings


async def test_D8_the_count_is_of_what_was_published_and_of_nothing_open(
    pool: Pool, statuses: list[tuple[str, Status]]
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await RevocationStore().save(connection, [Stored(key, 0, status) for key, status in statuses])
    count = await count_standings(pool, lambda: NOW, CA)
    whole = responder(statuses)
    whole.counted(CA, count)
    whole.look(NOW)
    assert whole.cas[CA].lacks == frozenset()
    closed = [each for each in statuses if isinstance(each[1], Valid | Revoked) and each[1].certificate.issuer == CA]
    assert count.standings == sum(1 if isinstance(status, Valid) else 2 for _, status in closed)
    for without in closed:
        less = responder([each for each in statuses if isinstance(each[1], Valid | Revoked) and each != without])
        less.counted(CA, count)
        less.look(NOW)
        assert less.cas[CA].lacks == {Lack.FEWER}
    assert (await count_standings(pool, lambda: NOW, "production-ec")).standings == 0


async def test_D8_each_full_crl_is_published_with_a_count_and_its_number(
    pool: Pool, publish: Publish, register, clock: Clock
) -> None:
    for number in (1, 2):
        (outcome,) = await publish([await register(number)])
        assert isinstance(outcome, Done)
        published = outcome.data
        assert isinstance(published, Published)
        assert {crl.count.crl_number for crl in published.announced if crl.count} == {number}
        assert (await count_standings(pool, clock, CA)).crl_number == number
