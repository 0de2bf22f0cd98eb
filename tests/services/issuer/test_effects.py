"""Signing with real keys."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography import x509
from servicecert_issuer.domain.examine import Examine, IssuingContext, examine_application
from servicecert_issuer.domain.issuance import (
    Intended,
    Linted,
    Refused,
    Signed,
    SigningOrder,
    State,
    Stopped,
    Unsigned,
    Voided,
)
from servicecert_issuer.domain.unissuable import STOPPED
from servicecert_issuer.effects.accepted import AcceptedApplications
from servicecert_issuer.effects.sign import ExamineStopped, Sign
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import verify_certificate
from servicecert_pki.keys import KeyUnavailable, PublicKey, SigningKey
from servicecert_pki.profiles import load_profiles
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.decider import Done, Examined, Outcome, Retry, Task
from servicecert_worker.core.record import Record
from services.issuer.conftest import CASE
from services.issuer.harness import WRITERS, kept

Accepted = Callable[..., ApplicationAccepted]

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)


WEEK = timedelta(days=7)


INTENDED: dict[str, Intended] = {}
"""What the table holds of the orders of these tests, by the hash of their bytes."""


def order(context: IssuingContext, application: ApplicationAccepted) -> SigningOrder:
    facts = examine_application(context, application, 77, NOW)
    assert isinstance(facts, Linted)
    intended = Intended.of(facts, application, NOW + WEEK, kept(application))
    made = SigningOrder.of(intended)
    INTENDED[made.tbs_sha256] = intended
    return made


def task(data: Any, since: datetime = NOW, tries: int = 0, key: UUID = CASE) -> Task:
    return Task(uuid4(), str(key), "sign", data, since, tries=tries)


async def nowhere(_take: Callable[[Record], None]) -> None:
    """The topic has nothing."""


ACCEPTED = AcceptedApplications(WRITERS.verifier, nowhere)


class Signer:
    """`Sign` with a settable time and what the table has (`otherwise`). `asked` counts those reads."""

    def __init__(self, context: IssuingContext, keys: Mapping[str, SigningKey]) -> None:
        self.now = NOW
        self.otherwise: dict[str, State | None] = {}
        self.asked = 0
        self.act = Sign(context, keys, lambda: self.now, self._states, ACCEPTED)

    async def sign(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        matching = {it.key: INTENDED[it.data.tbs_sha256] for it in tasks if it.data.tbs_sha256 in INTENDED}
        self._recorded = {**matching, **self.otherwise}
        return await self.act(tasks)

    async def _states(self, keys: Sequence[str]) -> Mapping[str, State]:
        self.asked += 1
        return {key: state for key in keys if (state := self._recorded[key]) is not None}


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


class Refusing(dict[str, SigningKey]):
    """Keys of which none may be used."""

    def get(self, *_: Any) -> Any:
        raise AssertionError("a key was asked for")


async def test_I4_signs_exactly_what_is_ordered_each_by_its_own_ca(
    context: IssuingContext, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    applications = [accepted(type, key, uuid4()) for type in CertificateType for key in ("ec", "rsa")]
    orders = [order(context, each) for each in applications]
    tasks = [task(each, key=of.case_id) for each, of in zip(orders, applications, strict=True)]
    outcomes = await Signer(context, ca_keys).sign(tasks)
    for each, outcome in zip(orders, outcomes, strict=True):
        assert isinstance(outcome, Done)
        assert isinstance(outcome.data, Signed)
        verify_certificate(outcome.data.certificate, each.tbs, authority.issuer(each.issuer).public_key)
    assert len({each.issuer for each in orders}) == 4


async def test_rsa_signature_is_the_same_when_repeated(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    twice = [task(order(context, accepted(key="rsa")))] * 2
    first, second = await Signer(context, ca_keys).sign(twice)
    assert first == second


async def test_key_that_is_away_alarms_once_and_is_tried_again_until_it_is_back(
    context: IssuingContext,
    accepted: Accepted,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = Token(ca_keys["production-ec"], away=True, slips=False)
    signer = Signer(context, {"production-ec": token})
    outcomes = await signer.sign([task(order(context, accepted()))] * 2)
    assert outcomes == [Retry("The token is not there; put it back.")] * 2
    assert await signer.act.unavailable_keys() == {"production-ec": 1.0}
    token.away = False
    (outcome,) = await signer.sign([task(order(context, accepted()), tries=1)])
    assert isinstance(outcome, Done)
    assert await signer.act.unavailable_keys() == {"production-ec": 0.0}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_B2_order_whose_time_is_over_is_not_signed(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    signer = Signer(context, ca_keys)
    signer.now = NOW + WEEK
    (just,) = await signer.sign([task(order(context, accepted()))])
    assert isinstance(just, Done)
    assert isinstance(just.data, Signed)
    signer.now += timedelta(seconds=1)
    assert await signer.sign([task(order(context, accepted()))]) == [Done(Unsigned(code="deadline"))]


@pytest.mark.parametrize(("since", "tries"), [(NOW, 1), (NOW - timedelta(minutes=2), 0)])
@pytest.mark.parametrize("code", ["operator", "key-compromised"])
async def test_B2_order_that_is_not_wanted_is_not_signed(
    context: IssuingContext,
    accepted: Accepted,
    ca_keys: Mapping[str, SigningKey],
    since: datetime,
    tries: int,
    code: str,
) -> None:
    signer = Signer(context, ca_keys)
    waiting = task(order(context, accepted()), since, tries)
    recorded = INTENDED[waiting.data.tbs_sha256]
    signer.otherwise = {waiting.key: replace(recorded, unwanted=code)}
    assert await signer.sign([waiting]) == [Done(Unsigned(code=code))]
    signer.otherwise = {str(uuid4()): replace(recorded, unwanted=code)}
    (outcome,) = await signer.sign([waiting])
    assert isinstance(outcome, Done)
    assert isinstance(outcome.data, Signed)


async def test_B2_order_that_has_an_end_already_is_not_signed_again(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    signer, waiting = Signer(context, ca_keys), task(order(context, accepted()))
    signer.otherwise = {waiting.key: Voided(INTENDED[waiting.data.tbs_sha256], "operator")}
    assert await signer.sign([waiting]) == [Done(Unsigned(code="ended"))]


async def test_the_topic_is_not_read_for_an_order_that_ends_unsigned(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    async def read(_take: Callable[[Record], None]) -> None:
        raise AssertionError("the topic was read")

    signer, waiting = Signer(context, ca_keys), task(order(context, accepted()))
    signer.act = replace(signer.act, accepted=AcceptedApplications(WRITERS.verifier, read))
    signer.otherwise = {waiting.key: replace(INTENDED[waiting.data.tbs_sha256], unwanted="operator", record=None)}
    assert await signer.sign([waiting]) == [Done(Unsigned(code="operator"))]
    signer.otherwise = {waiting.key: replace(INTENDED[waiting.data.tbs_sha256], record=None)}
    with pytest.raises(AssertionError, match="the topic was read"):
        await signer.sign([waiting])


@pytest.mark.parametrize("recorded", [None, {"tbs": b"other"}, {"issuer": "test-ec"}])
async def test_f3_B2_I4_an_order_of_other_bytes_than_are_intended_ends_unsigned_with_an_alarm(
    context: IssuingContext,
    accepted: Accepted,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
    recorded: dict[str, Any] | None,
) -> None:
    """The intent was written by somebody with access to the database."""
    signer, planted = Signer(context, ca_keys), task(order(context, accepted()))
    honest = INTENDED[planted.data.tbs_sha256]
    signer.otherwise = {planted.key: None if recorded is None else changed(honest, **recorded)}
    assert await signer.sign([planted]) == [Done(Unsigned(code="other-bytes"))]
    assert [record.getMessage().split()[0] for record in caplog.records] == ["alarm:"]
    assert signer.act.refused == {"other-bytes": 1.0}


def changed(intended: Intended, **row: Any) -> Intended:
    """What the table holds, where somebody changed it."""
    return replace(intended, linted=replace(intended.linted, **row))


def planted(context: IssuingContext, tbs: bytes, issuer: str = "production-ec", **row: Any) -> Task:
    """An intent and its row of the table, both written by somebody with access to the database."""
    made = SigningOrder(issuer=issuer, tbs=tbs)
    honest = INTENDED[order(context, row.pop("accepted")()).tbs_sha256]
    INTENDED[made.tbs_sha256] = changed(honest, issuer=issuer, tbs=tbs, **row)
    return task(made)


async def test_f3_a_ca_certificate_in_the_table_and_the_intent_is_not_signed(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey], caplog: pytest.LogCaptureFixture
) -> None:
    ca = x509.load_der_x509_certificate(context.authority.issuer("production-ec").certificate_der)
    attack = planted(context, ca.tbs_certificate_bytes, accepted=accepted)
    signer = Signer(context, Refusing())
    assert await signer.sign([attack]) == [Done(Unsigned(code="profile"))]
    assert signer.act.refused == {"profile": 1.0}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_f3_bytes_that_no_row_explains_or_the_linter_finds_fault_with_are_not_signed(
    context: IssuingContext, accepted: Accepted
) -> None:
    tbs = order(context, accepted()).tbs
    rows: list[dict[str, Any]] = [
        {"serial": "4e"},
        {"profile": "gone"},
        {"key_sha256": "0" * 64},
        {"business_id": ""},
        {"not_before": NOW - timedelta(days=1)},
        {"not_after": NOW + timedelta(days=1)},
    ]
    for row in rows:
        attack = planted(context, tbs, accepted=accepted, **row)
        assert await Signer(context, Refusing()).sign([attack]) == [Done(Unsigned(code="books"))]
    strict = Signer(replace(context, lint=lambda *_: ("pkix.a",)), Refusing())
    assert await strict.sign([task(order(context, accepted()))]) == [Done(Unsigned(code="lint"))]


async def test_f3_what_was_intended_under_other_settings_waits_with_an_alarm_until_its_deadline(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey], caplog: pytest.LogCaptureFixture
) -> None:
    """A release changed the profile, or an operator the addresses: the granted decision is not taken back at once."""
    honest = task(order(context, accepted()))
    changed = load_profiles()
    server = replace(changed.by_type["server"], version=3, policy="1.3.6.1.4.1.32473.9")
    newer = replace(context, profiles=replace(changed, by_type={**changed.by_type, "server": server}))
    for other in (newer, replace(context, base_url="http://other.example.fi")):
        signer = Signer(other, Refusing())
        (outcome,) = await signer.sign([honest])
        assert isinstance(outcome, Retry)
        assert outcome.after is not None
        signer.now = NOW + WEEK + timedelta(seconds=1)
        assert await signer.sign([honest]) == [Done(Unsigned(code="deadline"))]
    assert [record.getMessage().split()[0] for record in caplog.records] == ["alarm:", "alarm:"]
    (outcome,) = await Signer(context, ca_keys).sign([honest])
    assert isinstance(outcome, Done)
    assert isinstance(outcome.data, Signed)


async def test_orders_are_asked_of_together(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    signer = Signer(context, ca_keys)
    await signer.sign([task(order(context, accepted())), task(order(context, accepted()))])
    assert signer.asked == 1


async def test_stopped_application_is_examined_with_another_serial(context: IssuingContext, accepted: Accepted) -> None:
    examine = Examine(context, lambda count: bytes(count), lambda: NOW, lambda *_: None)
    cases: dict[str, State] = {str(CASE): Stopped(accepted(), "production-ec", ("pkix.a",), kept(accepted()))}

    async def states(_: Sequence[str]) -> Mapping[str, State]:
        return cases

    act = ExamineStopped(examine, states, ACCEPTED, Counter())
    (outcome,) = await act([task(accepted())])
    assert outcome == Done(Examined(facts=examine.facts(accepted())))
    cases[str(CASE)] = Refused("withdrawn")
    (outcome,) = await act([task(accepted())])
    assert outcome == Done(Examined(facts=STOPPED)), "nothing is decided with it"


async def test_ca_that_was_taken_away_is_asked_back(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    (outcome,) = await Signer(context, {}).sign([task(order(context, accepted()))])
    assert isinstance(outcome, Retry)
    assert "production-ec" in outcome.reason
    assert "SERVICECERT_CA_DIR" in outcome.reason


async def test_B4_wrong_signature_is_not_released_and_alarms(
    context: IssuingContext,
    accepted: Accepted,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
) -> None:
    slipping = {"production-ec": Token(ca_keys["production-ec"], away=False)}
    (outcome,) = await Signer(context, slipping).sign([task(order(context, accepted()))])
    assert isinstance(outcome, Retry)
    assert [record.getMessage().split()[0] for record in caplog.records] == ["alarm:"]


def test_I10_representation_shows_no_key(context: IssuingContext, ca_keys: Mapping[str, SigningKey]) -> None:
    assert "keys" not in repr(Signer(context, ca_keys).act)
