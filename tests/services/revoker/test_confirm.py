"""Asking OCSP whether it says revoked, before anybody is notified (I7, D5)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from servicecert_pki.authority import Authority
from servicecert_pki.keys import SigningKey
from servicecert_pki.serials import serial_hex
from servicecert_revoker.domain.crl_orders import ConfirmOrder
from servicecert_revoker.effects.confirm import Confirm
from servicecert_revoker.ocsp.domain.answering import Answering, Budget
from servicecert_revoker.ocsp.effects.server import serve
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.core.decider import Done, Retry, Task
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, answering, revoked

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def task(serial: int, issuer: str = "test-ec", tries: int = 0, reason: RevocationReason | None = None) -> Task:
    order = ConfirmOrder(
        issuer=issuer,
        serial=serial_hex(serial).lower(),
        request_id=uuid4(),
        reason=reason,
        crl_number=7,
        crl_url="http://crl.example.fi/test-ec.crl",
        published_at=NOW,
    )
    return Task(uuid4(), "case", "confirm", order, NOW, tries=tries)


@pytest.fixture
def responder(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> Answering:
    return answering(authority, ca_keys, NOW)


@pytest.fixture
async def confirm(authority: Authority, responder: Answering) -> AsyncIterator[Confirm]:
    async with (
        serve(responder.answer, lambda: NOW, 30, "127.0.0.1", 0) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Confirm(url, authority, session, lambda: NOW)


async def test_I7_only_a_responder_that_says_revoked_confirms(confirm: Confirm, responder: Answering) -> None:
    tasks = [task(REVOKED), task(GOOD), task(NEVER_ISSUED), task(REVOKED, "production-ec"), task(REVOKED, "gone")]
    done, *others = await confirm(tasks)
    assert isinstance(done, Done)
    assert (done.data.confirmed_at, done.data.request_id) == (NOW, tasks[0].data.request_id)
    assert all(isinstance(other, Retry) for other in others)
    assert [other.reason.partition(" ")[2] for other in others[:1]] == [f"at {confirm.url} does not say revoked yet."]
    assert responder._standings.take(revoked(GOOD, NOW), NOW)
    (done,) = await confirm([task(GOOD)])
    assert isinstance(done, Done)


async def test_D3_I7_a_changed_reason_is_confirmed_by_a_responder_that_says_this_one(
    confirm: Confirm, responder: Answering
) -> None:
    said = revoked(GOOD, NOW)
    responder._standings.take(said, NOW)
    outcomes = await confirm([task(GOOD, reason=reason) for reason in RevocationReason])
    assert [reason for reason, each in zip(RevocationReason, outcomes, strict=True) if isinstance(each, Done)] == [
        said.reason
    ]


async def test_D3_a_reason_that_a_compromised_key_has_overridden_is_confirmed_too(
    confirm: Confirm, responder: Answering
) -> None:
    """OCSP never says the first reason again: its act would ask for ever."""
    said = revoked(GOOD, NOW).model_copy(update={"reason": RevocationReason.KEY_EXPOSED})
    responder._standings.take(said, NOW)
    outcomes = await confirm([task(GOOD, reason=reason) for reason in RevocationReason])
    assert all(isinstance(each, Done) for each in outcomes)


async def test_I7_a_responder_that_is_away_is_asked_again_at_growing_intervals_and_alarms_once(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with aiohttp.ClientSession() as session:
        away = Confirm("http://127.0.0.1:1", authority, session, lambda: NOW)
        outcomes = [(await away([task(REVOKED, tries=tries)]))[0] for tries in (0, 1, 8, 9, 200)]
    assert [outcome.after for outcome in outcomes if isinstance(outcome, Retry)] == [
        timedelta(milliseconds=100),
        timedelta(milliseconds=200),
        *[timedelta(seconds=10)] * 3,
    ]
    assert "authority.toml" in outcomes[0].reason
    assert len([line for line in caplog.messages if "so nobody is notified" in line]) == 1


async def test_without_a_responder_nobody_is_asked_nor_about_a_ca_that_has_ended(authority: Authority) -> None:
    over = authority.issuer("test-ec").not_after + timedelta(seconds=1)
    async with aiohttp.ClientSession() as session:
        for confirm in (
            Confirm(None, authority, session, lambda: NOW),
            Confirm("http://127.0.0.1:1", authority, session, lambda: over),
        ):
            (done,) = await confirm([task(GOOD)])
            assert isinstance(done, Done)
            assert done.data.confirmed_at is None


async def test_F5_I7_a_mass_revocation_is_confirmed_beyond_what_a_responder_signs_anew_for_a_client(
    authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    budget = Budget(1, 1)
    responder = answering(authority, ca_keys, NOW, budget=budget)
    many = range(0x5001, 0x5001 + 50)
    for serial in many:
        responder._standings.take(revoked(serial, NOW), NOW)
    async with serve(responder.answer, lambda: NOW, 30, "127.0.0.1", 0) as url, aiohttp.ClientSession() as session:
        confirm = Confirm(url, authority, session, lambda: NOW)
        outcomes = await confirm([task(serial) for serial in many])
    assert [outcome for outcome in outcomes if not isinstance(outcome, Done)] == []
    assert len(budget) == 0


@pytest.mark.parametrize(("padding", "confirms"), [(0, True), (70_000, False)])
async def test_I7_an_answer_that_comes_in_pieces_is_read_whole_and_an_endless_one_is_not(
    authority: Authority, responder: Answering, padding: int, confirms: bool
) -> None:
    async def piecemeal(request: web.Request) -> web.StreamResponse:
        body = responder.answer(await request.read(), NOW).body + bytes(padding)
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(body), 500):
            await response.write(body[start : start + 500])
            # The client takes each piece by itself.
            await asyncio.sleep(0)
        return response

    application = web.Application()
    application.router.add_post("/", piecemeal)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            (outcome,) = await Confirm(url, authority, session, lambda: NOW)([task(REVOKED)])
    finally:
        await runner.cleanup()
    assert isinstance(outcome, Done) is confirms
