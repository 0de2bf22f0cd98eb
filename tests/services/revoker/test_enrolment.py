"""A responder's key: asked for, intended, signed, used, renewed; and nobody else's (D8, I4, I10, I11)."""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from identities import Identities
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.ocsp_messages import ResponderKey
from servicecert_pki.partitions import partition_of
from servicecert_pki.responder_certificate import BACKDATING, LIFE, build_responder_tbs
from servicecert_pki.spki import spki_sha256
from servicecert_revoker.domain.certificates import LONGEST_VOID, Void
from servicecert_revoker.domain.decide import HANDLERS, decide
from servicecert_revoker.domain.examine import Examine
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN
from servicecert_revoker.domain.responders import Booked, Certified, CertifyOrder, Drafted, EnrolledKey, Uncertified
from servicecert_revoker.effects.certify import Certify
from servicecert_revoker.ocsp.app import Responder
from servicecert_revoker.ocsp.effects.enrolment import (
    ASK_AGAIN,
    MISSING_AGAIN,
    UNANSWERED_AGAIN,
    CertificateMismatch,
    Enrolment,
    pinned,
)
from servicecert_revoker.ocsp.settings import Settings
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.responder import ResponderCertified, ResponderEnvironment, ResponderRequested
from servicecert_schemas.revocation import StandingsCount
from servicecert_worker.core.decider import Decision, Done, Due, Event, Result, Retry, Task, Unanswerable, Untrusted
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.broker import Broker

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CAS = {"production-ec", "production-rsa", "test-ec", "test-rsa"}


@pytest.fixture(scope="module")
def examine(authority: Authority) -> Examine:
    return Examine(authority, os.urandom, lambda: NOW, 16)


class Books:
    """What was intended in these tests, as the table holds it."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Booked] = {}

    def add(self, *booked: Booked) -> None:
        self.entries.update({(it.issuer, it.serial): it for it in booked})

    async def __call__(self, orders: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Booked]:
        return {order: self.entries[order] for order in orders if order in self.entries}


BOOKS = Books()
COUNT = StandingsCount(at=NOW, crl_number=7, standings=3, total=5)


async def counted(_: str) -> StandingsCount:
    return COUNT


@pytest.fixture
def certify(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> Certify:
    return Certify(authority, ca_keys, BOOKS, counted, lambda: NOW)


async def certificates(requested: ResponderRequested, examine: Examine, certify: Certify) -> list[ResponderCertified]:
    """What the revoker tells a responder, all the way from its request."""
    (event,) = examine([Event(uuid4(), requested.key(), requested, NOW)])
    decision = decide(None, event, NOTHING_KNOWN, NOW)
    assert type(requested) in HANDLERS
    responder = decision.state
    assert isinstance(responder, EnrolledKey)
    BOOKS.add(*responder.certificates)
    events: list[Any] = []
    for intent in decision.intents:
        (outcome,) = await certify([Task(uuid4(), requested.key(), intent.kind, intent.data, NOW)])
        assert isinstance(outcome, Done)
        certified = Certified.model_validate_json(outcome.data.model_dump_json())
        assert certified.tbs == intent.data.tbs
        result = Result(uuid4(), requested.key(), intent.kind, certified)
        answered = decide(responder, result, NOTHING_KNOWN, NOW)
        events += answered.events
        assert isinstance(answered.state, EnrolledKey)
        responder = answered.state
        assert decide(responder, result, NOTHING_KNOWN, NOW) == Decision(responder), "the first signature counts"
    assert all(it.fingerprint and not it.refusal for it in responder.certificates)
    assert decide(responder, event, NOTHING_KNOWN, NOW) == Decision(responder), "a key is certified once"
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
            assert each.count == COUNT
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


async def test_F6_D8_while_the_clock_differs_a_new_key_is_drawn_soon_and_then_seldom(
    examine: Examine, certify: Certify
) -> None:
    enrolment = Enrolment()

    async def drawn(minutes: range, *, doubtful: bool) -> list[int]:
        found = []
        for minute in minutes:
            now = NOW + timedelta(minutes=minute)
            for asked in enrolment.due(now, CAS, doubtful=doubtful):
                found.append(minute)
                for events in await certificates(asked.data, examine, certify):
                    enrolment.accept(events, now)
        return found[::2]

    assert await drawn(range(300), doubtful=True) == [0, 1, 5, 21, 81, 141, 201, 261]
    assert await drawn(range(300, 320), doubtful=False) == []
    # As seldom as before, until no doubt was left an hour after the last one.
    assert await drawn(range(320, 381), doubtful=True) == [321]
    assert await drawn(range(381, 400), doubtful=False) == []
    assert await drawn(range(400, 410), doubtful=True) == [400, 404]


async def test_D8_a_ca_that_is_new_is_asked_for_soon_but_not_all_the_time(examine: Examine, certify: Certify) -> None:
    enrolment = Enrolment()
    for asked in enrolment.due(NOW, ()):
        for events in await certificates(asked.data, examine, certify):
            enrolment.accept(events, NOW)
    assert enrolment.due(NOW + MISSING_AGAIN / 2, {*CAS, "test-ec-2"}) == []
    (asked,) = enrolment.due(NOW + MISSING_AGAIN, {*CAS, "test-ec-2"})
    assert asked.data.environment is ResponderEnvironment.TEST


async def test_D8_a_ca_whose_key_is_away_draws_ever_fewer_keys(examine: Examine, certify: Certify) -> None:
    enrolment, drawn = Enrolment(), []
    for minute in range(11 * 60):
        now = NOW + timedelta(minutes=minute)
        for asked in enrolment.due(now, {"test-ec", "test-rsa"}):
            drawn += [minute] * (asked.data.environment is ResponderEnvironment.TEST)
            for event in await certificates(asked.data, examine, certify):
                if event.issuer != "test-rsa":
                    enrolment.accept(event, now)
    assert drawn == [0, 10, 30, 70, 150, 310, 630]
    soon = NOW + timedelta(hours=11)
    assert len(enrolment.due(soon, {"test-ec", "test-rsa", "test-ec-2"})) == 1, "one that is new does not wait so long"


async def test_a_responders_certificate_that_has_ended_is_signed_no_more(examine: Examine, certify: Certify) -> None:
    """Its CA's key was away all its life."""
    request = Enrolment().due(NOW, ())[0].data
    (event,) = examine([Event(uuid4(), request.key(), request, NOW)])
    assert isinstance(event.facts, Drafted)
    order = event.facts.orders[0]
    (outcome,) = await replace(certify, clock=lambda: order.not_after)([Task(uuid4(), "key", "certify", order, NOW)])
    assert isinstance(outcome, Done)
    assert outcome.data == Uncertified(issuer=order.issuer, serial=order.serial, code="expired")


async def test_f2_a_ca_that_the_operator_did_not_give_is_not_answered_for(
    authority: Authority, examine: Examine, certify: Certify
) -> None:
    given = {id: issuer.certificate_der for id, issuer in authority.issuers.items() if id != "test-rsa"}
    enrolment = Enrolment(lambda: given)
    for asked in enrolment.due(NOW, ()):
        for each in await certificates(asked.data, examine, certify):
            if each.issuer == "test-rsa":
                with pytest.raises(CertificateMismatch, match="gave no such certificate"):
                    enrolment.accept(each, NOW)
            else:
                assert enrolment.accept(each, NOW) is not None
            renamed = each.model_copy(update={"issuer": "production-forged"})
            with pytest.raises(CertificateMismatch, match="gave no such certificate"):
                enrolment.accept(renamed, NOW)
    assert enrolment.due(NOW + MISSING_AGAIN, {*CAS, "test-forged"}) == [], "the topic's word draws no keys"
    given["test-rsa"] = authority.issuer("test-rsa").certificate_der
    (asked,) = enrolment.due(NOW + MISSING_AGAIN, {*CAS, "test-forged"})
    assert asked.data.environment is ResponderEnvironment.TEST


async def test_f2_I11_a_pinned_ca_of_the_other_environment_is_not_used(
    authority: Authority, examine: Examine, certify: Certify
) -> None:
    enrolment = Enrolment(lambda: {id: issuer.certificate_der for id, issuer in authority.issuers.items()})
    (production, _) = enrolment.due(NOW, ())
    each, *_ = await certificates(production.data, examine, certify)
    test = authority.issuer("test-ec").certificate_der
    forged = each.model_copy(update={"issuer": "test-ec", "issuer_certificate": b64encode(test).decode()})
    with pytest.raises(CertificateMismatch, match="no CA of production"):
        enrolment.accept(forged, NOW)


def test_D8_a_key_that_nobody_certifies_is_given_up_after_a_day() -> None:
    enrolment = Enrolment()
    first = enrolment.due(NOW, ())
    assert enrolment.due(NOW + UNANSWERED_AGAIN - timedelta(seconds=1), ()) == first
    assert {asked.id for asked in enrolment.due(NOW + UNANSWERED_AGAIN, ())}.isdisjoint({asked.id for asked in first})


def test_f2_the_operators_certificates_are_files(authority: Authority, tmp_path: Path) -> None:
    der = authority.issuer("test-ec").certificate_der
    (tmp_path / "test-ec.cer").write_bytes(der)
    (tmp_path / "test-rsa.pem").write_bytes((authority.directory / "issuing" / "test-rsa.pem").read_bytes())
    (tmp_path / "test-ec.crl").write_bytes(b"not read")
    assert pinned(tmp_path) == {"test-ec": der, "test-rsa": authority.issuer("test-rsa").certificate_der}
    (tmp_path / "test-ec.cer").write_bytes(b"none")
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(OperatorError, match="SERVICECERT_OCSP_CA_CERTIFICATES"):
            pinned(folder)


async def test_f2_a_folder_that_cannot_be_read_any_more_ends_no_responder(
    authority: Authority, examine: Examine, certify: Certify, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for id in sorted(CAS):
        (tmp_path / f"{id}.cer").write_bytes(authority.issuer(id).certificate_der)
    enrolment = Enrolment(lambda: pinned(tmp_path))
    assert enrolment.given() is not None
    (tmp_path / "notes.pem").write_text("not a certificate")
    for asked in enrolment.due(NOW, ()):
        for event in await certificates(asked.data, examine, certify):
            assert enrolment.accept(event, NOW) is not None
    (said,) = caplog.messages
    assert "The folder of SERVICECERT_OCSP_CA_CERTIFICATES is unavailable" in said
    with pytest.raises(OperatorError, match="SERVICECERT_OCSP_CA_CERTIFICATES"):
        Enrolment(lambda: pinned(tmp_path)).given()


async def test_D8_no_certificate_that_ends_with_its_ca_is_renewed(
    authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    end = min(it.not_after for it in authority.issuers.values())
    now = end - LIFE / 2
    examine, certify = (
        Examine(authority, os.urandom, lambda: now, 16),
        Certify(authority, ca_keys, BOOKS, counted, lambda: now),
    )
    enrolment = Enrolment()
    for asked in enrolment.due(now, ()):
        for event in await certificates(asked.data, examine, certify):
            accepted = enrolment.accept(event, now)
            assert accepted is not None
            issuer, signer = accepted
            assert signer.not_after == issuer.not_after
    assert enrolment.due(end - timedelta(seconds=1), CAS) == []


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
        assert isinstance(event.facts, Untrusted)
        with pytest.raises(Unanswerable):
            decide(None, event, NOTHING_KNOWN, NOW)
    with pytest.raises(AssertionError):
        decide(None, Event(uuid4(), "ocsp/test/0", requested(key), NOW), NOTHING_KNOWN, NOW)


def test_a_responder_is_changed_by_its_own_events_only() -> None:
    responder = EnrolledKey(ResponderEnvironment.TEST, "a" * 64, ())
    unknown = Due(uuid4(), "ocsp/test/" + "a" * 64, "publish", NOW)
    assert decide(responder, unknown, NOTHING_KNOWN, NOW) == Decision(responder)


def test_f2_a_void_serial_number_is_bounded_before_it_is_decided(examine: Examine, issued: CertificateIssued) -> None:
    voided = CertificateVoided(
        case_id=issued.case_id,
        issuer=issued.issuer,
        serial=issued.serial,
        serial_decimal=issued.serial_decimal,
        code="deadline",
        partition=1_000,
    )
    for at in (NOW, datetime.max.replace(tzinfo=UTC)):
        (event,) = examine([Event(uuid4(), voided.key(), voided, at)])
    partition = partition_of(int(issued.serial, 16), 16)
    assert event.facts == Void(issued.issuer, issued.serial, NOW + LONGEST_VOID, partition)


def test_f5_more_responders_than_are_allowed_are_parked(examine: Examine) -> None:
    asked = requested(ResponderKey.draw())
    (event,) = examine([Event(uuid4(), asked.key(), asked, NOW)])
    with pytest.raises(Unanswerable) as parked:
        decide(None, event, replace(NOTHING_KNOWN, over_limit=frozenset({asked.key()})), NOW)
    assert parked.value.code == "responder-limit"


def test_D8_without_a_ca_of_the_environment_nothing_is_drafted(examine: Examine) -> None:
    late = replace(examine, clock=lambda: datetime(2100, 1, 1, tzinfo=UTC))
    assert isinstance(late.facts(requested(ResponderKey.draw())), Untrusted)


def test_other_events_are_not_examined(examine: Examine) -> None:
    event = Event(uuid4(), "x", object(), NOW)
    assert examine([event]) == [event]


def booked(order: CertifyOrder, **changes: Any) -> Booked:
    return replace(Booked(order.issuer, order.serial, order.tbs_sha256, order.not_after), **changes)


def ordered(examine: Examine, issuer: str = "test-ec", **changes: Any) -> CertifyOrder:
    """An order as the revoker drafts it, with changes by somebody with access to its database."""
    draft = examine.facts(requested(ResponderKey.draw()))
    assert isinstance(draft, Drafted)
    order = next(it for it in draft.orders if it.issuer == issuer)
    return order.model_copy(update=changes)


class Refusing(dict[str, SigningKey]):
    """Keys of which none may be used."""

    def get(self, *_: Any) -> Any:
        raise AssertionError("a key was asked for")


async def test_f3_an_intent_with_a_ca_certificate_is_not_signed(
    authority: Authority, examine: Examine, certify: Certify, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten years, CA: TRUE; the books were written by the same hand."""
    ca = x509.load_der_x509_certificate(authority.issuer("test-ec").certificate_der)
    order = ordered(
        examine, tbs=ca.tbs_certificate_bytes, serial=f"{ca.serial_number:x}", not_after=ca.not_valid_after_utc
    )
    BOOKS.add(booked(order))
    act = replace(certify, keys=Refusing(), refused=Counter())
    (outcome,) = await act([Task(uuid4(), "x", "certify", order, NOW)])
    assert outcome == Done(Uncertified(issuer="test-ec", serial=order.serial, code="profile"))
    assert act.refused == {"profile": 1.0}
    assert [record.getMessage().split()[0] for record in caplog.records] == ["alarm:"]


async def test_f3_a_refused_order_ends_and_is_not_tried_for_ever(
    authority: Authority, examine: Examine, certify: Certify
) -> None:
    issuer = authority.issuer("test-ec")
    honest, key = ordered(examine), ResponderKey.draw()
    serial, until = int(honest.serial, 16), honest.not_after

    def order(tbs: bytes, **changes: Any) -> CertifyOrder:
        return honest.model_copy(update={"tbs": tbs, **changes})

    longer = build_responder_tbs(issuer, key.spki, serial, NOW, NOW + 10 * LIFE)
    later = build_responder_tbs(issuer, key.spki, serial, NOW + LIFE, NOW + 2 * LIFE)
    another = build_responder_tbs(issuer, key.spki, serial, NOW - BACKDATING, until)
    digest = spki_sha256(key.spki)
    refused = [
        (order(longer, key_sha256=digest, not_after=NOW + 10 * LIFE), "life"),
        (order(later, key_sha256=digest, not_after=NOW + 2 * LIFE), "life"),
        (order(another), "books"),
        (order(honest.tbs, not_after=until - timedelta(days=1)), "books"),
        (order(b"\x30\x00"), "profile"),
        (order(honest.tbs[:-1] + b"\x01"), "profile"),
        (order(honest.tbs, environment=ResponderEnvironment.PRODUCTION), "environment"),
        (order(honest.tbs, issuer="test-rsa"), "profile"),
    ]
    act = replace(certify, keys=Refusing())
    for attack, code in refused:
        BOOKS.add(booked(attack))
        (outcome,) = await act([Task(uuid4(), "x", "certify", attack, NOW)])
        assert outcome == Done(Uncertified(issuer=attack.issuer, serial=attack.serial, code=code)), code
    BOOKS.add(booked(honest, tbs_sha256="0" * 64))
    (outcome,) = await act([Task(uuid4(), "x", "certify", honest, NOW)])
    assert isinstance(outcome, Done)
    assert outcome.data.code == "other-bytes"
    responder = EnrolledKey(ResponderEnvironment.TEST, honest.key_sha256, (booked(honest),))
    ended = decide(responder, Result(uuid4(), "x", "certify", outcome.data), NOTHING_KNOWN, NOW)
    assert ended == Decision(replace(responder, certificates=(booked(honest, refusal="other-bytes"),)))


async def test_D8_a_key_that_is_away_is_waited_for(examine: Examine, certify: Certify, token: Any) -> None:
    draft = examine.facts(requested(ResponderKey.draw()))
    assert isinstance(draft, Drafted)
    order = next(it for it in draft.orders if it.issuer == "test-ec")
    tasks = [Task(uuid4(), "x", "certify", order, NOW)]
    BOOKS.add(booked(order))
    for keys in ({}, {"test-ec": token(certify.keys["test-ec"], True)}):
        (outcome,) = await replace(certify, keys=keys)(tasks)
        assert isinstance(outcome, Retry)
    slips = replace(certify, keys={"test-ec": token(certify.keys["test-ec"], False)})
    (outcome,) = await slips(tasks)
    assert isinstance(outcome, Retry)
    assert "signature" in outcome.reason
    assert decide(
        None, Event(uuid4(), "x", requested(ResponderKey.draw()), NOW, Drafted(())), NOTHING_KNOWN, NOW
    ) == Decision(None)


@pytest.mark.parametrize("production", [False, True])
async def test_F3_a_responder_whose_clock_is_shifted_answers_for_no_production_ca(
    examine: Examine, certify: Certify, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, production: bool
) -> None:
    monkeypatch.setattr(IssuerInfo, "is_for_production", production)
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS="nowhere:1",
        SERVICECERT_CLOCK_AHEAD="P1D",
        SERVICECERT_SERVICE_KEYS=Identities(tmp_path / "service-keys").folder,
        SERVICECERT_OCSP_CRL_URL="http://crl.example.fi",
    )
    responder = Responder(settings, Broker(settings.cluster, "ocsp"), lambda: NOW)
    for request in responder._enrolment.due(NOW, CAS):
        for certified in await certificates(request.data, examine, certify):
            responder._apply_event(certified, NOW)
    assert bool(responder._answering.signers) is not production
