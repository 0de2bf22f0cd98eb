"""Signing with real keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from servicecert_issuer.domain.examine import Examine, IssuingContext, examined
from servicecert_issuer.domain.issuance import Intended, Linted, OnRecord, Signed, SigningOrder, Unsigned
from servicecert_issuer.effects.sign import ExamineAnew, Sign
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import verify_certificate
from servicecert_pki.keys import KeyUnavailable, PublicKey, SigningKey
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.values import CertificateType
from servicecert_worker.decider import Done, Examined, Outcome, Retry, Task

Accepted = Callable[..., ApplicationAccepted]

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)


WEEK = timedelta(days=7)


def order(issuing: IssuingContext, application: ApplicationAccepted) -> SigningOrder:
    found = examined(issuing, application, 77, NOW)
    assert isinstance(found, Linted)
    return SigningOrder.of(Intended.of(found, application, NOW + WEEK))


def task(data: Any, since: datetime = NOW, tries: int = 0) -> Task:
    return Task(uuid4(), str(uuid4()), "sign", data, since, tries=tries)


class Desk:
    """What the signing is told: the moment, the clock's fault, what is recorded: what it is given, but for `otherwise`. It counts how often it asked for that."""

    def __init__(self, authority: Authority, keys: Mapping[str, SigningKey]) -> None:
        self.now = NOW
        self.fault: str | None = None
        self.otherwise: dict[str, OnRecord | None] = {}
        self.asked = 0
        self.act = Sign(authority, keys, lambda: self.now, lambda: self.fault, self._on_record)

    async def sign(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        given = {it.key: OnRecord(it.data.issuer, it.data.tbs_sha256) for it in tasks}
        self._recorded = {**given, **self.otherwise}
        return await self.act(tasks)

    async def _on_record(self, keys: Sequence[str]) -> Mapping[str, OnRecord]:
        self.asked += 1
        return {key: found for key in keys if (found := self._recorded[key]) is not None}


class Token:
    """A key whose token is away, or whose arithmetic slips."""

    family = KeyFamily.EC

    def __init__(self, key: SigningKey, away: bool, slips: bool = True) -> None:
        self._key = key
        self.away = away
        self._slip = (b"a slip",) if slips else ()

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        if self.away:
            raise KeyUnavailable("The token is not there; put it back.")
        return self._key.sign(*parts, *self._slip)


async def test_I4_signs_exactly_what_is_ordered_each_by_its_own_ca(
    issuing: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    orders = [order(issuing, accepted(type, key)) for type in CertificateType for key in ("ec", "rsa")]
    outcomes = await Desk(authority, ca_keys).sign([task(each) for each in orders])
    for each, outcome in zip(orders, outcomes, strict=True):
        assert isinstance(outcome, Done)
        assert isinstance(outcome.data, Signed)
        verify_certificate(outcome.data.certificate, each.tbs, authority.issuer(each.issuer).public_key)
    assert len({each.issuer for each in orders}) == 4


async def test_rsa_signature_is_the_same_when_repeated(
    issuing: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    twice = [task(order(issuing, accepted(key="rsa")))] * 2
    first, second = await Desk(authority, ca_keys).sign(twice)
    assert first == second


async def test_key_that_is_away_alarms_once_and_is_tried_again_until_it_is_back(
    issuing: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = Token(ca_keys["production-ec"], away=True, slips=False)
    desk = Desk(authority, {"production-ec": token})
    outcomes = await desk.sign([task(order(issuing, accepted()))] * 2)
    assert outcomes == [Retry("The token is not there; put it back.")] * 2
    assert await desk.act.keys_away() == {"production-ec": 1.0}
    token.away = False
    (outcome,) = await desk.sign([task(order(issuing, accepted()), tries=1)])
    assert isinstance(outcome, Done)
    assert await desk.act.keys_away() == {}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_B2_order_whose_time_is_over_is_not_signed(
    issuing: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    desk = Desk(authority, ca_keys)
    desk.now = NOW + WEEK
    (just,) = await desk.sign([task(order(issuing, accepted()))])
    assert isinstance(just, Done)
    assert isinstance(just.data, Signed)
    desk.now += timedelta(seconds=1)
    assert await desk.sign([task(order(issuing, accepted()))]) == [Done(Unsigned(code="deadline"))]


@pytest.mark.parametrize(("since", "tries"), [(NOW, 1), (NOW - timedelta(minutes=2), 0)])
async def test_B2_order_that_an_operator_does_not_want_is_not_signed(
    issuing: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    since: datetime,
    tries: int,
) -> None:
    desk = Desk(authority, ca_keys)
    waiting = task(order(issuing, accepted()), since, tries)
    recorded = OnRecord(waiting.data.issuer, waiting.data.tbs_sha256)
    desk.otherwise = {waiting.key: replace(recorded, unwanted=True)}
    assert await desk.sign([waiting]) == [Done(Unsigned(code="operator"))]
    desk.otherwise = {"another": replace(recorded, unwanted=True)}
    (outcome,) = await desk.sign([waiting])
    assert isinstance(outcome, Done)
    assert isinstance(outcome.data, Signed)


async def test_B2_order_that_has_an_end_already_is_not_signed_again(
    issuing: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    desk, waiting = Desk(authority, ca_keys), task(order(issuing, accepted()))
    desk.otherwise = {waiting.key: OnRecord(waiting.data.issuer, waiting.data.tbs_sha256, open=False)}
    assert await desk.sign([waiting]) == [Done(Unsigned(code="ended"))]


@pytest.mark.parametrize(
    "recorded", [None, OnRecord("production-ec", "00" * 32), OnRecord("production-ec", "00" * 32, open=False)]
)
async def test_B2_I4_order_of_other_bytes_than_are_intended_signs_nothing_and_alarms(
    issuing: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
    recorded: OnRecord | None,
) -> None:
    """An act that was put beside the certificates' table, by somebody who may write to the database."""
    desk, planted = Desk(authority, ca_keys), task(order(issuing, accepted()))
    desk.otherwise = {planted.key: recorded}
    (outcome,) = await desk.sign([planted])
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("alarm")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    desk.otherwise = {planted.key: OnRecord("test-ec", planted.data.tbs_sha256)}
    (outcome,) = await desk.sign([planted])
    assert isinstance(outcome, Retry), "by another CA"


async def test_orders_are_asked_of_together(
    issuing: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    desk = Desk(authority, ca_keys)
    await desk.sign([task(order(issuing, accepted())), task(order(issuing, accepted()))])
    assert desk.asked == 1


async def test_nothing_is_signed_or_given_up_under_a_wrong_clock(
    issuing: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    desk = Desk(authority, ca_keys)
    desk.now, desk.fault = NOW + 2 * WEEK, "The clock jumped."
    (outcome,) = await desk.sign([task(order(issuing, accepted()))])
    assert isinstance(outcome, Retry)
    assert outcome.reason == "The clock jumped."


async def test_stopped_application_is_examined_with_another_serial(issuing: IssuingContext, accepted: Accepted) -> None:
    fault: list[str] = []
    examine = Examine(issuing, lambda count: bytes(count), lambda: NOW, lambda: fault[0] if fault else None)
    (outcome,) = await ExamineAnew(examine)([task(accepted())])
    assert isinstance(outcome, Done)
    assert isinstance(outcome.data, Examined)
    assert outcome.data.facts == examine.facts(accepted())
    fault.append("The clock jumped.")
    (outcome,) = await ExamineAnew(examine)([task(accepted())])
    assert isinstance(outcome, Retry)


async def test_ca_that_was_taken_away_is_asked_back(
    issuing: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    (outcome,) = await Desk(authority, {}).sign([task(order(issuing, accepted()))])
    assert isinstance(outcome, Retry)
    assert "production-ec" in outcome.reason
    assert "SERVICECERT_CA_DIR" in outcome.reason


async def test_B4_wrong_signature_is_not_released_and_alarms(
    issuing: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
) -> None:
    slipping = {"production-ec": Token(ca_keys["production-ec"], away=False)}
    (outcome,) = await Desk(authority, slipping).sign([task(order(issuing, accepted()))])
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("alarm")
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_I10_representation_shows_no_key(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> None:
    assert "keys" not in repr(Desk(authority, ca_keys).act)
