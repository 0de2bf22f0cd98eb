"""Signing with real keys."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from servicecert_issuer.effects import Sign
from servicecert_issuer.examine import Office, allocate
from servicecert_issuer.issuance import Allocated, Signed, SigningOrder
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import verify_certificate
from servicecert_pki.keys import KeyUnavailable, PublicKey, SigningKey
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.values import CertificateType
from servicecert_worker.decider import Again, Done, Task

Accepted = Callable[..., ApplicationAccepted]

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)


def order(office: Office, application: ApplicationAccepted) -> SigningOrder:
    found = allocate(office, application, 77, NOW)
    assert isinstance(found, Allocated)
    return SigningOrder(issuer=found.issuer, tbs=found.tbs)


def task(data: SigningOrder) -> Task:
    return Task(uuid4(), "case", "sign", data, NOW)


class Token:
    """A key whose token is away, or whose arithmetic slips."""

    family = KeyFamily.EC

    def __init__(self, key: SigningKey, away: bool) -> None:
        self._key = key
        self._away = away

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        if self._away:
            raise KeyUnavailable("The token is not there; put it back.")
        return self._key.sign(*parts, b"a slip")


async def test_I4_signs_exactly_what_is_ordered_each_by_its_own_ca(
    office: Office, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    orders = [order(office, accepted(type, key)) for type in CertificateType for key in ("ec", "rsa")]
    outcomes = await Sign(authority, ca_keys)([task(each) for each in orders])
    for each, outcome in zip(orders, outcomes, strict=True):
        assert isinstance(outcome, Done)
        assert isinstance(outcome.data, Signed)
        verify_certificate(outcome.data.certificate, each.tbs, authority.issuer(each.issuer).public_key)
    assert len({each.issuer for each in orders}) == 4


async def test_rsa_signature_is_the_same_when_repeated(
    office: Office, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    twice = [task(order(office, accepted(key="rsa")))] * 2
    first, second = await Sign(authority, ca_keys)(twice)
    assert first == second


async def test_key_that_is_away_is_tried_again(
    office: Office, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    away = {"production-ec": Token(ca_keys["production-ec"], away=True)}
    (outcome,) = await Sign(authority, away)([task(order(office, accepted()))])
    assert outcome == Again("The token is not there; put it back.")


async def test_ca_that_was_taken_away_is_asked_back(
    office: Office, accepted: Accepted, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    (outcome,) = await Sign(authority, {})([task(order(office, accepted()))])
    assert isinstance(outcome, Again)
    assert "production-ec" in outcome.reason
    assert "SERVICECERT_CA_DIR" in outcome.reason


async def test_B4_wrong_signature_is_not_released_and_alarms(
    office: Office,
    accepted: Accepted,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    caplog: pytest.LogCaptureFixture,
) -> None:
    slipping = {"production-ec": Token(ca_keys["production-ec"], away=False)}
    (outcome,) = await Sign(authority, slipping)([task(order(office, accepted()))])
    assert isinstance(outcome, Again)
    assert outcome.reason.startswith("alarm")
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_I10_representation_shows_no_key(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> None:
    assert "keys" not in repr(Sign(authority, ca_keys))
