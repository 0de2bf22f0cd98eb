"""Signing with real keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from servicecert_issuer.domain.examine import Examine, IssuingContext, examine_application
from servicecert_issuer.domain.issuance import Intended, Linted, RecordedIntent, Signed, SigningOrder, Unsigned
from servicecert_issuer.effects.sign import ExamineStopped, Sign
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


def order(context: IssuingContext, application: ApplicationAccepted) -> SigningOrder:
    facts = examine_application(context, application, 77, NOW)
    assert isinstance(facts, Linted)
    return SigningOrder.of(Intended.of(facts, application, NOW + WEEK))


def task(data: Any, since: datetime = NOW, tries: int = 0) -> Task:
    return Task(uuid4(), str(uuid4()), "sign", data, since, tries=tries)


class Signer:
    """`Sign` with a settable time, clock fault and recorded intents (`otherwise`). `asked` counts those reads."""

    def __init__(self, authority: Authority, keys: Mapping[str, SigningKey]) -> None:
        self.now = NOW
        self.fault: str | None = None
        self.otherwise: dict[str, RecordedIntent | None] = {}
        self.asked = 0
        self.act = Sign(authority, keys, lambda: self.now, lambda: self.fault, self._recorded_intents)

    async def sign(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        matching = {it.key: RecordedIntent(it.data.issuer, it.data.tbs_sha256) for it in tasks}
        self._recorded = {**matching, **self.otherwise}
        return await self.act(tasks)

    async def _recorded_intents(self, keys: Sequence[str]) -> Mapping[str, RecordedIntent]:
        self.asked += 1
        return {key: intent for key in keys if (intent := self._recorded[key]) is not None}


class Token:
    """A key that is unavailable, or makes wrong signatures."""

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
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    orders = [order(context, accepted(type, key)) for type in CertificateType for key in ("ec", "rsa")]
    outcomes = await Signer(authority, ca_keys).sign([task(each) for each in orders])
    for each, outcome in zip(orders, outcomes, strict=True):
        assert isinstance(outcome, Done)
        assert isinstance(outcome.data, Signed)
        verify_certificate(outcome.data.certificate, each.tbs, authority.issuer(each.issuer).public_key)
    assert len({each.issuer for each in orders}) == 4


async def test_rsa_signature_is_the_same_when_repeated(
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    twice = [task(order(context, accepted(key="rsa")))] * 2
    first, second = await Signer(authority, ca_keys).sign(twice)
    assert first == second


async def test_key_that_is_away_alarms_once_and_is_tried_again_until_it_is_back(
    context: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = Token(ca_keys["production-ec"], away=True, slips=False)
    signer = Signer(authority, {"production-ec": token})
    outcomes = await signer.sign([task(order(context, accepted()))] * 2)
    assert outcomes == [Retry("The token is not there; put it back.")] * 2
    assert await signer.act.unavailable_keys() == {"production-ec": 1.0}
    token.away = False
    (outcome,) = await signer.sign([task(order(context, accepted()), tries=1)])
    assert isinstance(outcome, Done)
    assert await signer.act.unavailable_keys() == {}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_B2_order_whose_time_is_over_is_not_signed(
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    signer = Signer(authority, ca_keys)
    signer.now = NOW + WEEK
    (just,) = await signer.sign([task(order(context, accepted()))])
    assert isinstance(just, Done)
    assert isinstance(just.data, Signed)
    signer.now += timedelta(seconds=1)
    assert await signer.sign([task(order(context, accepted()))]) == [Done(Unsigned(code="deadline"))]


@pytest.mark.parametrize(("since", "tries"), [(NOW, 1), (NOW - timedelta(minutes=2), 0)])
async def test_B2_order_that_an_operator_does_not_want_is_not_signed(
    context: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    since: datetime,
    tries: int,
) -> None:
    signer = Signer(authority, ca_keys)
    waiting = task(order(context, accepted()), since, tries)
    recorded = RecordedIntent(waiting.data.issuer, waiting.data.tbs_sha256)
    signer.otherwise = {waiting.key: replace(recorded, unwanted=True)}
    assert await signer.sign([waiting]) == [Done(Unsigned(code="operator"))]
    signer.otherwise = {"another": replace(recorded, unwanted=True)}
    (outcome,) = await signer.sign([waiting])
    assert isinstance(outcome, Done)
    assert isinstance(outcome.data, Signed)


async def test_B2_order_that_has_an_end_already_is_not_signed_again(
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    signer, waiting = Signer(authority, ca_keys), task(order(context, accepted()))
    signer.otherwise = {waiting.key: RecordedIntent(waiting.data.issuer, waiting.data.tbs_sha256, open=False)}
    assert await signer.sign([waiting]) == [Done(Unsigned(code="ended"))]


@pytest.mark.parametrize(
    "recorded",
    [None, RecordedIntent("production-ec", "00" * 32), RecordedIntent("production-ec", "00" * 32, open=False)],
)
async def test_B2_I4_order_of_other_bytes_than_are_intended_signs_nothing_and_alarms(
    context: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
    recorded: RecordedIntent | None,
) -> None:
    """The intent was written by somebody with access to the database."""
    signer, planted = Signer(authority, ca_keys), task(order(context, accepted()))
    signer.otherwise = {planted.key: recorded}
    (outcome,) = await signer.sign([planted])
    assert isinstance(outcome, Retry)
    assert [record.getMessage().split()[0] for record in caplog.records] == ["alarm:"]
    signer.otherwise = {planted.key: RecordedIntent("test-ec", planted.data.tbs_sha256)}
    (outcome,) = await signer.sign([planted])
    assert isinstance(outcome, Retry), "by another CA"


async def test_orders_are_asked_of_together(
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    signer = Signer(authority, ca_keys)
    await signer.sign([task(order(context, accepted())), task(order(context, accepted()))])
    assert signer.asked == 1


async def test_nothing_is_signed_or_given_up_under_a_wrong_clock(
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    signer = Signer(authority, ca_keys)
    signer.now, signer.fault = NOW + 2 * WEEK, "The clock jumped."
    (outcome,) = await signer.sign([task(order(context, accepted()))])
    assert isinstance(outcome, Retry)
    assert outcome.reason == "The clock jumped."


async def test_stopped_application_is_examined_with_another_serial(context: IssuingContext, accepted: Accepted) -> None:
    fault: list[str] = []
    examine = Examine(
        context, lambda count: bytes(count), lambda: NOW, lambda: fault[0] if fault else None, lambda *_: None
    )
    (outcome,) = await ExamineStopped(examine)([task(accepted())])
    assert isinstance(outcome, Done)
    assert isinstance(outcome.data, Examined)
    assert outcome.data.facts == examine.facts(accepted())
    fault.append("The clock jumped.")
    (outcome,) = await ExamineStopped(examine)([task(accepted())])
    assert isinstance(outcome, Retry)


async def test_ca_that_was_taken_away_is_asked_back(
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    (outcome,) = await Signer(authority, {}).sign([task(order(context, accepted()))])
    assert isinstance(outcome, Retry)
    assert "production-ec" in outcome.reason
    assert "SERVICECERT_CA_DIR" in outcome.reason


async def test_B4_wrong_signature_is_not_released_and_alarms(
    context: IssuingContext,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
) -> None:
    slipping = {"production-ec": Token(ca_keys["production-ec"], away=False)}
    (outcome,) = await Signer(authority, slipping).sign([task(order(context, accepted()))])
    assert isinstance(outcome, Retry)
    assert [record.getMessage().split()[0] for record in caplog.records] == ["alarm:"]


def test_I10_representation_shows_no_key(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> None:
    assert "keys" not in repr(Signer(authority, ca_keys).act)
