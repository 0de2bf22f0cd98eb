"""A responder's key: asked for, intended, signed, used, renewed; and nobody else's (D8, I4, I10, I11)."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import throw_away_keys
from servicecert_pki.ocsp_response import ResponderKey
from servicecert_pki.spki import spki_sha256
from servicecert_revoker.domain.decide import decide, is_relevant
from servicecert_revoker.domain.examine import LIFE, Examine
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN
from servicecert_revoker.domain.responders import Certified, Drafted, Rejected
from servicecert_revoker.effects.certify import Certify
from servicecert_revoker.ocsp.app import Responder
from servicecert_revoker.ocsp.effects.enrolment import ASK_AGAIN, MISSING_AGAIN, CertificateMismatch, Enrolment
from servicecert_revoker.ocsp.settings import Settings
from servicecert_schemas.responder import ResponderCertified, ResponderEnvironment, ResponderRequested
from servicecert_worker.decider import Decision, Done, Event, Result, Retry, Task, Unanswerable
from servicecert_worker.kafka.broker import Broker

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CAS = {"production-ec", "production-rsa", "test-ec", "test-rsa"}


@pytest.fixture(scope="module")
def examine(authority: Authority) -> Examine:
    return Examine(authority, throw_away_keys(), bytes, lambda: NOW)


@pytest.fixture
def certify(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> Certify:
    return Certify(authority, ca_keys)


async def certificates(requested: ResponderRequested, examine: Examine, certify: Certify) -> list[ResponderCertified]:
    """What the revoker tells a responder, all the way from its request."""
    (event,) = examine([Event(uuid4(), requested.key(), requested, NOW)])
    decision = decide(None, event, NOTHING_KNOWN, NOW)
    assert is_relevant(requested)
    events: list[Any] = []
    for intent in decision.intents:
        (outcome,) = await certify([Task(uuid4(), requested.key(), intent.kind, intent.data, NOW)])
        assert isinstance(outcome, Done)
        certified = Certified.model_validate_json(outcome.data.model_dump_json())
        assert certified.tbs == intent.data.tbs
        (answer,) = decide(None, Result(uuid4(), requested.key(), intent.kind, certified), NOTHING_KNOWN, NOW).events
        events.append(answer)
    return events


async def test_I4_I11_each_ca_of_the_environment_certifies_the_key_and_no_other(
    examine: Examine, certify: Certify
) -> None:
    enrolment = Enrolment()
    production, test = (asked.data for asked in enrolment.due(NOW, ()))
    assert production.key_sha256 != test.key_sha256
    for requested, environment in ((production, "production"), (test, "test")):
        events = await certificates(requested, examine, certify)
        assert {each.issuer for each in events} == {f"{environment}-ec", f"{environment}-rsa"}
        for each in events:
            accepted = enrolment.accept(each, NOW)
            assert accepted is not None
            issuer, signer = accepted
            assert issuer.id == each.issuer
            assert (signer.not_after, signer.key.spki) == (
                NOW + LIFE,
                enrolment._of[requested.environment].keys[each.key_sha256].spki,
            )


async def test_a_request_is_repeated_until_it_is_answered_under_the_same_id(examine: Examine, certify: Certify) -> None:
    enrolment = Enrolment()
    first = enrolment.due(NOW, ())
    assert enrolment.due(NOW + ASK_AGAIN / 2, ()) == []
    assert enrolment.due(NOW + ASK_AGAIN, ()) == first
    for asked in first:
        for events in await certificates(asked.data, examine, certify):
            enrolment.accept(events, NOW)
    assert enrolment.due(NOW + 2 * ASK_AGAIN, CAS) == []


async def test_D8_a_key_is_renewed_at_half_of_its_time_and_serves_until_then(
    examine: Examine, certify: Certify
) -> None:
    enrolment = Enrolment()
    old = {asked.data.environment: asked for asked in enrolment.due(NOW, ())}
    events = [each for asked in old.values() for each in await certificates(asked.data, examine, certify)]
    for each in events:
        enrolment.accept(each, NOW)
    half = NOW + LIFE / 2
    assert enrolment.due(half - timedelta(seconds=1), CAS) == []
    new = enrolment.due(half, CAS)
    assert {asked.data.environment for asked in new} == set(ResponderEnvironment)
    assert not {asked.data.key_sha256 for asked in new} & {asked.data.key_sha256 for asked in old.values()}
    assert enrolment.accept(events[0], half) is not None
    again = enrolment.due(half + ASK_AGAIN, CAS)
    assert again == new


async def test_D8_a_ca_that_is_new_is_asked_for_soon_but_not_all_the_time(examine: Examine, certify: Certify) -> None:
    enrolment = Enrolment()
    for asked in enrolment.due(NOW, ()):
        for events in await certificates(asked.data, examine, certify):
            enrolment.accept(events, NOW)
    assert enrolment.due(NOW + MISSING_AGAIN / 2, {*CAS, "test-ec-2"}) == []
    (asked,) = enrolment.due(NOW + MISSING_AGAIN, {*CAS, "test-ec-2"})
    assert asked.data.environment is ResponderEnvironment.TEST


async def test_D8_what_belongs_to_another_is_not_used(examine: Examine, certify: Certify) -> None:
    enrolment, another = Enrolment(), Enrolment()
    (_, asked), (_, others) = enrolment.due(NOW, ()), another.due(NOW, ())
    events, *_ = await certificates(asked.data, examine, certify)
    theirs, *_ = await certificates(others.data, examine, certify)
    assert enrolment.accept(theirs, NOW) is None
    assert enrolment.accept(events, NOW + LIFE) is None
    for wrong, why in (
        ({"certificate": theirs.certificate}, "not issued for its key"),
        ({"certificate": b64encode(b"none").decode()}, "not signed by"),
        ({"issuer_certificate": b64encode(b"none").decode()}, "cannot be read"),
        ({"issuer_certificate": events.certificate}, "cannot be read"),
    ):
        with pytest.raises(CertificateMismatch, match=why):
            enrolment.accept(events.model_copy(update=wrong), NOW)


def requested(key: ResponderKey, **changes: object) -> ResponderRequested:
    right = ResponderRequested(
        environment=ResponderEnvironment.TEST,
        key_sha256=spki_sha256(key.spki),
        request=b64encode(key.request()).decode(),
    )
    return right.model_copy(update=changes)


def test_D8_a_wrong_request_is_parked_for_an_operator(examine: Examine) -> None:
    key = ResponderKey.draw()
    assert isinstance(examine.facts(requested(key)), Drafted)
    for wrong in (requested(key, request=b64encode(b"none").decode()), requested(key, key_sha256="0" * 64)):
        (event,) = examine([Event(uuid4(), wrong.key(), wrong, NOW)])
        assert isinstance(event.facts, Rejected)
        with pytest.raises(Unanswerable):
            decide(None, event, NOTHING_KNOWN, NOW)
    with pytest.raises(TypeError):
        decide(None, Event(uuid4(), "ocsp/test/0", requested(key), NOW), NOTHING_KNOWN, NOW)


def test_D8_without_a_ca_of_the_environment_nothing_is_drafted(examine: Examine) -> None:
    late = replace(examine, clock=lambda: datetime(2100, 1, 1, tzinfo=UTC))
    assert isinstance(late.facts(requested(ResponderKey.draw())), Rejected)


def test_other_events_are_not_examined(examine: Examine) -> None:
    event = Event(uuid4(), "x", object(), NOW)
    assert examine([event]) == [event]


async def test_D8_a_key_that_is_away_is_waited_for(
    examine: Examine, certify: Certify, authority: Authority, token: Any
) -> None:
    draft = examine.facts(requested(ResponderKey.draw()))
    order = next(it for it in draft.orders if it.issuer == "test-ec")
    tasks = [Task(uuid4(), "x", "certify", order, NOW)]
    away = Certify(authority, {"test-ec": token(certify.keys["test-ec"], True)})
    (outcome,) = await away(tasks)
    assert isinstance(outcome, Retry)
    slips = Certify(authority, {"test-ec": token(certify.keys["test-ec"], False)})
    (outcome,) = await slips(tasks)
    assert isinstance(outcome, Retry)
    assert "signature" in outcome.reason
    assert decide(
        None, Event(uuid4(), "x", requested(ResponderKey.draw()), NOW, Drafted(())), NOTHING_KNOWN, NOW
    ) == Decision(None)


@pytest.mark.parametrize("production", [False, True])
async def test_F3_a_responder_whose_clock_is_shifted_answers_for_no_production_ca(
    examine: Examine, certify: Certify, monkeypatch: pytest.MonkeyPatch, production: bool
) -> None:
    monkeypatch.setattr(IssuerInfo, "is_for_production", production)
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS="nowhere:1", SERVICECERT_CLOCK_AHEAD="P1D")
    responder = Responder(settings, Broker(settings.cluster, "ocsp"), lambda: NOW)
    for request in responder._enrolment.due(NOW, CAS):
        for certified in await certificates(request.data, examine, certify):
            responder._apply_event(certified, NOW)
    assert bool(responder._answering.signers) is not production
