"""What a responder answers, for how long, and what it signs again (D8, I7)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.ocsp_messages import read_request
from servicecert_revoker.ocsp.domain.answering import MALFORMED, TRY_LATER, UNAUTHORIZED, UNKNOWN_FOR, Answering, Kind
from servicecert_revoker.ocsp.domain.standings import GRACE, FullCrl, Revoked, Standings
from servicecert_revoker.ocsp.operator.metrics import Metrics
from servicecert_schemas.revocation import RevocationReason
from services.revoker.ocsp_stand import (
    GOOD,
    NEVER_ISSUED,
    REVOKED,
    UNLIMITED,
    answering,
    request,
    revoked,
    said,
    signer,
)

NOW = datetime(2026, 11, 25, 12, 0, 0, 250_000, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="session")
def issuer(authority: Authority) -> IssuerInfo:
    return authority.issuer("test-ec")


@pytest.fixture
def responder(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> Answering:
    return answering(authority, ca_keys, NOW)


@pytest.mark.parametrize("hash", [sha1, sha256])
@pytest.mark.parametrize("nonce", [None, b"n" * 32])
@pytest.mark.parametrize(("serial", "kind"), [(GOOD, Kind.GOOD), (REVOKED, Kind.REVOKED), (NEVER_ISSUED, Kind.UNKNOWN)])
def test_D8_good_revoked_or_unknown(
    responder: Answering, issuer: IssuerInfo, hash: Any, nonce: bytes | None, serial: int, kind: Kind
) -> None:
    answer = responder.answer(request(issuer, serial, nonce, hash), NOW)
    read = ocsp.load_der_ocsp_response(answer.body)
    assert answer.kind is kind
    assert read.certificate_status.name.lower() == kind.value
    assert read.serial_number == serial
    assert read.this_update_utc == SECOND
    assert read.next_update_utc == SECOND + (UNKNOWN_FOR if kind is Kind.UNKNOWN else timedelta(hours=4))
    if nonce:
        assert read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    lasting = nonce is None and kind is not Kind.UNKNOWN
    assert (answer.etag is not None) is (answer.next_update is not None) is lasting


def test_D8_a_revocation_says_why_and_since_when(responder: Answering, issuer: IssuerInfo) -> None:
    read = ocsp.load_der_ocsp_response(responder.answer(request(issuer, REVOKED), NOW).body)
    assert read.revocation_time_utc == SECOND - HOUR
    assert read.revocation_reason is x509.ReasonFlags.cessation_of_operation


def test_D8_what_is_not_ours_or_no_request_is_said_to_be_so(
    responder: Answering, authority: Authority, issuer: IssuerInfo
) -> None:
    assert responder.answer(b"no request", NOW) is MALFORMED
    assert responder.answer(request(authority.issuer("production-ec"), GOOD), NOW) is UNAUTHORIZED
    both = [read_request(request(authority.issuer(of), GOOD)).certificates[0].encoded for of in ("test-ec", "test-rsa")]
    mixed = der.sequence(der.sequence(der.sequence(*(der.sequence(each) for each in both))))
    assert responder.answer(mixed, NOW) is UNAUTHORIZED


def test_D8_several_certificates_of_one_ca_are_answered_at_once(responder: Answering, issuer: IssuerInfo) -> None:
    ids = [read_request(request(issuer, serial)).certificates[0].encoded for serial in (GOOD, REVOKED, NEVER_ISSUED)]
    answer = responder.answer(der.sequence(der.sequence(der.sequence(*(der.sequence(each) for each in ids)))), NOW)
    read = ocsp.load_der_ocsp_response(answer.body)
    assert [it.certificate_status.name for it in read.responses] == ["GOOD", "REVOKED", "UNKNOWN"]
    assert (answer.kind, answer.etag) == (Kind.SEVERAL, None)


def test_D8_nothing_is_said_before_all_is_read_and_a_key_certified(
    authority: Authority, ca_keys: Mapping[str, SigningKey], issuer: IssuerInfo
) -> None:
    standings = Standings()
    standings.cas[issuer.id].crl = FullCrl(1, NOW + 72 * HOUR)
    made = Answering(standings, 4 * HOUR, 10, UNLIMITED)
    made.caught_up(NOW)
    assert made.answer(request(issuer, GOOD), NOW) is TRY_LATER
    made.certified(issuer, signer(issuer, ca_keys[issuer.id], NOW))
    made.moment = None
    assert made.answer(request(issuer, GOOD), NOW) is TRY_LATER
    assert made.oldest() is None
    made.caught_up(NOW)
    assert made.answer(request(issuer, GOOD), NOW).kind is Kind.UNKNOWN


def test_D8_no_alarm_asks_for_a_certificate_that_would_outlive_its_ca(
    authority: Authority, ca_keys: Mapping[str, SigningKey], responder: Answering, issuer: IssuerInfo
) -> None:
    other = authority.issuer("test-rsa")
    end = other.not_after
    responder.certified(other, signer(other, ca_keys[other.id], end - timedelta(days=1), timedelta(days=1)))
    metrics, standings = Metrics(), Standings()
    metrics.show(responder, standings, NOW, ready=True, wrong=False)
    left = {
        issuer: metrics.registry.get_sample_value("servicecert_ocsp_certificate_left_seconds", {"issuer": issuer})
        for issuer in (issuer.id, other.id)
    }
    assert left == {issuer.id: timedelta(days=4).total_seconds(), other.id: float("inf")}


def test_D8_an_answer_is_signed_once_and_serves_all_who_ask_the_same(responder: Answering, issuer: IssuerInfo) -> None:
    first = responder.answer(request(issuer, GOOD), NOW)
    responder.caught_up(NOW + HOUR)
    assert responder.answer(request(issuer, GOOD), NOW + HOUR) is first
    assert (responder.signed, len(responder), responder.oldest()) == (1, 1, SECOND)
    responder.answer(request(issuer, GOOD, b"nonce"), NOW)
    responder.answer(request(issuer, NEVER_ISSUED), NOW)
    assert (responder.signed, len(responder)) == (3, 1)


def test_D8_answers_are_signed_anew_at_half_of_their_time_where_anybody_asks(
    responder: Answering, issuer: IssuerInfo
) -> None:
    asked, left = request(issuer, GOOD), request(issuer, REVOKED)
    responder.answer(left, NOW)
    first = responder.answer(asked, NOW)
    early = NOW + 2 * HOUR - timedelta(seconds=1)
    responder.caught_up(early)
    assert responder.answer(asked, early) is first
    for hours in (2, 4):
        later = NOW + hours * HOUR
        responder.caught_up(later)
        again = responder.answer(asked, later)
        assert again.this_update == SECOND + hours * HOUR
        assert responder.answer(asked, later) is again
    assert responder.signed == 4
    assert len(responder) == 1, "one that has expired and nobody asked for makes room"


def test_D8_an_answer_serves_to_its_end_while_the_standings_stand_still(
    responder: Answering, issuer: IssuerInfo
) -> None:
    """Signing it again would make it no newer."""
    first = responder.answer(request(issuer, GOOD), NOW)
    assert responder.answer(request(issuer, GOOD), NOW + 3 * HOUR) is first
    assert responder.signed == 1


def test_I7_a_revocation_is_said_at_once(responder: Answering, issuer: IssuerInfo) -> None:
    both = [request(issuer, GOOD, hash=hash) for hash in (sha1, sha256)]
    assert {responder.answer(each, NOW).kind for each in both} == {Kind.GOOD}
    standings = responder._standings
    later = NOW + timedelta(minutes=1)
    assert standings.take(revoked(GOOD, later), later)
    assert {responder.answer(each, later).kind for each in both} == {Kind.REVOKED}
    assert responder.signed == len(responder) + 2 == 4


def test_D3_an_earlier_date_of_suspicion_is_said_at_once(responder: Answering, issuer: IssuerInfo) -> None:
    asked = request(issuer, REVOKED)
    responder.answer(asked, NOW)
    exposed = revoked(REVOKED, NOW - HOUR, RevocationReason.KEY_EXPOSED)
    assert responder._standings.take(exposed, NOW)
    read = ocsp.load_der_ocsp_response(responder.answer(asked, NOW).body)
    assert read.revocation_reason is x509.ReasonFlags.key_compromise


def test_D8_what_is_not_known_any_more_is_not_said_and_a_revocation_is_for_ever(
    responder: Answering, issuer: IssuerInfo
) -> None:
    good, bad, never = (request(issuer, serial) for serial in (GOOD, REVOKED, NEVER_ISSUED))
    responder.answer(good, NOW)
    away = NOW + 4 * HOUR - timedelta(seconds=1)
    assert responder.answer(good, away).kind is Kind.GOOD
    assert responder.answer(never, NOW + UNKNOWN_FOR) is TRY_LATER
    over = NOW + 4 * HOUR
    assert responder.answer(good, over) is TRY_LATER
    assert responder.answer(good, over + HOUR) is TRY_LATER
    answer = responder.answer(bad, over)
    assert answer.kind is Kind.REVOKED
    assert answer.this_update == over.replace(microsecond=0)
    responder.caught_up(over)
    assert responder.answer(good, over).kind is Kind.GOOD


def test_D8_where_standings_may_be_missing_no_answer_says_good_not_even_one_that_is_signed(
    responder: Answering, issuer: IssuerInfo
) -> None:
    good, bad = request(issuer, GOOD), request(issuer, REVOKED)
    signed = [responder.answer(each, NOW) for each in (good, bad)]
    standings = responder._standings
    later = NOW + GRACE
    standings.take_crl("test-ec", FullCrl(2, NOW + 72 * HOUR), [(NEVER_ISSUED, Revoked(None, NOW, None))])
    responder.caught_up(later)
    assert responder.answer(good, later) is TRY_LATER
    assert responder.answer(request(issuer, 5), later) is TRY_LATER
    assert responder.answer(bad, later) is signed[1]
    assert responder.answer(request(issuer, NEVER_ISSUED), later).kind is Kind.REVOKED
    standings.take(revoked(NEVER_ISSUED, NOW), NOW)
    responder.caught_up(later)
    assert responder.answer(good, later) is signed[0]


def test_D8_good_is_valid_until_the_crl_s_next_update_and_revoked_is_for_ever(
    responder: Answering, issuer: IssuerInfo
) -> None:
    until = SECOND + HOUR
    responder._standings.cas["test-ec"].crl = FullCrl(2, until)
    good, bad = request(issuer, GOOD), request(issuer, REVOKED)
    assert responder.answer(good, NOW).next_update == until
    responder.caught_up(until)
    assert responder.answer(good, until) is TRY_LATER
    assert responder.answer(bad, until).kind is Kind.REVOKED


def test_D8_no_answer_outlives_the_responder_s_certificate(
    responder: Answering, issuer: IssuerInfo, ca_keys: Mapping[str, SigningKey]
) -> None:
    short = signer(issuer, ca_keys[issuer.id], NOW, HOUR)
    responder.certified(issuer, short)
    assert responder.signers["test-ec"] is short
    assert responder.answer(request(issuer, GOOD), NOW).next_update == NOW + HOUR
    assert responder.answer(request(issuer, REVOKED), NOW + HOUR) is TRY_LATER


def test_D8_the_oldest_answer_makes_room(
    authority: Authority, ca_keys: Mapping[str, SigningKey], issuer: IssuerInfo
) -> None:
    made = answering(authority, ca_keys, NOW, most_kept=2)
    for serial in range(1, 4):
        made._standings.take(said(serial), NOW)
        made.answer(request(issuer, serial), NOW)
    assert (len(made), made.signed) == (2, 3)
    made.answer(request(issuer, 1), NOW)
    assert (len(made), made.signed) == (2, 4)


def test_D3_standings_only_get_worse_in_whatever_order_they_come() -> None:
    exposed = revoked(GOOD, NOW + HOUR, RevocationReason.KEY_EXPOSED)
    steps = [said(GOOD), revoked(GOOD, NOW), exposed, revoked(GOOD, NOW), said(GOOD), exposed]
    standings = Standings()
    assert [standings.take(each, NOW) for each in steps] == [True, True, True, False, False, False]
    backwards = Standings()
    assert [backwards.take(each, NOW) for each in reversed(steps)] == [True] + 5 * [False]
    assert standings.of("test-ec", GOOD) == backwards.of("test-ec", GOOD)
    assert (len(standings), list(standings.issuers(NOW))) == (1, ["test-ec"])


def test_D8_a_revocation_without_details_counts_from_when_it_was_said() -> None:
    standings = Standings()
    bare = revoked(GOOD, NOW).model_copy(update={"reason": None, "revoked_at": None})
    assert standings.take(bare, NOW)
    status = standings.of("test-ec", GOOD)
    assert (status.reason, status.revoked_at) == (None, NOW)


def test_D8_a_ca_all_of_whose_certificates_expired_is_not_asked_to_certify_a_responder() -> None:
    standings = Standings()
    for each in (said(GOOD), said(REVOKED).model_copy(update={"not_after": NOW}), said(1, issuer="test-rsa")):
        standings.take(each, NOW)
    last = said(GOOD).not_after
    assert list(standings.issuers(last)) == ["test-ec", "test-rsa"]
    assert list(standings.issuers(last + timedelta(seconds=1))) == []
