"""What the revoker decides about certificates and requests for their revocation (D1, D3, D4, I3)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from servicecert_revoker.domain.authority_requests import CascadeOrder, Proposal, proposal_key
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.crl_orders import PublishOrder
from servicecert_revoker.domain.decide import HANDLERS, decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import Entered, Registered, Revocation, Revoked, Valid
from servicecert_schemas.certificate import CertificateIssued, IssuingRefused
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import (
    KeyCompromised,
    RevocationReason,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
    Standing,
    StandingChanged,
)
from servicecert_worker.core.decider import Deadline, Decision, Due, Event, Intent
from services.handler import example

Requested = Callable[..., RevocationRequested]
MakeEvent = Callable[..., Event]

ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
SERIAL = "4a00000000000000000000000000000b"


def test_issued_certificate_becomes_known(
    known: Knowledge, issued: CertificateIssued, certificate: Certificate, event: MakeEvent
) -> None:
    decision = decide(None, event(issued, ISSUED_AT), known, NOW)
    expected = StandingChanged(
        issuer="test-ec", serial=SERIAL, standing=Standing.VALID, not_after=certificate.not_after
    )
    assert decision == Decision(Valid(certificate), events=(expected,))


def test_I3_the_same_certificate_again_changes_nothing(
    known: Knowledge, final: Entered, issued: CertificateIssued, event: MakeEvent
) -> None:
    for held in (known, replace(known, holders={("test-ec", issued.serial): issued.key()})):
        assert decide(final, event(issued), held, NOW) == Decision(final)


def test_D4_right_request_is_registered_and_to_be_published(
    known: Knowledge, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    request = requested()
    decision = decide(Valid(certificate), event(request), known, NOW)
    entry = Revocation(
        request_id=request.request_id,
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=SENT_AT,
        due=SENT_AT + timedelta(hours=24),
        revoked_at=NOW,
    )
    expected = RevocationRegistered(
        case_id=request.case_id,
        request_id=request.request_id,
        serial=SERIAL,
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=SENT_AT,
        due=SENT_AT + timedelta(hours=24),
    )
    order = PublishOrder(issuer="test-ec", partition=5, serial=SERIAL, request_id=request.request_id)
    clock = Deadline("revocation-clock", SENT_AT + timedelta(hours=12))
    assert decision == Decision(
        Registered(certificate, entry), events=(expected,), intents=(Intent("publish", order),), deadlines=(clock,)
    )


def test_D1_wrong_request_is_refused_whatever_the_standing(
    known: Knowledge, final: Entered, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    for status in (Valid(certificate), final):
        decision = decide(status, event(requested(serial_as_typed="77")), known, NOW)
        (refused,) = decision.events
        assert isinstance(refused, RevocationRefused)
        assert refused.code == "no-such-certificate"
        assert decision.state is status
        assert decision.intents == ()


def test_expired_certificate_need_not_be_revoked(
    known: Knowledge, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    later = certificate.not_after + timedelta(seconds=1)
    (refused,) = decide(Valid(certificate), event(requested(sent_at=later), later), known, later).events
    assert isinstance(refused, RevocationRefused)
    assert refused.code == "certificate-expired"


def test_D3_asking_again_is_answered_with_the_first_result(
    known: Knowledge, final: Entered, requested: Requested, event: MakeEvent
) -> None:
    again = requested(reason=RevocationReason.PURPOSE_OR_DATA_CHANGED, sent_at=SENT_AT + timedelta(seconds=30))
    decision = decide(final, event(again), known, final.certificate.not_after + timedelta(days=1))
    first = final.revocation
    expected = RevocationRegistered(
        case_id=again.case_id,
        request_id=again.request_id,
        serial=SERIAL,
        reason=first.reason,
        requested_at=first.requested_at,
        due=first.due,
    )
    assert decision.state is final
    assert decision == Decision(final, events=(expected,))


def test_D3_the_same_request_again_is_nothing_new(
    known: Knowledge, final: Entered, requested: Requested, event: MakeEvent
) -> None:
    decision = decide(final, event(requested(request_id=final.revocation.request_id)), known, NOW)
    assert decision.state is final
    assert decision == Decision(final)


def test_D3_exposed_key_overrides_a_weaker_reason_once(
    known: Knowledge, final: Entered, requested: Requested, event: MakeEvent
) -> None:
    worse = requested(reason=RevocationReason.KEY_EXPOSED, exposed_since=SENT_AT)
    decision = decide(final, event(worse), known, NOW + timedelta(hours=1))
    entry = replace(
        final.revocation,
        request_id=worse.request_id,
        reason=RevocationReason.KEY_EXPOSED,
        invalid_since=SENT_AT,
        changed_at=SENT_AT,
        changes=1,
    )
    overridden = replace(final, revocation=entry)
    if isinstance(overridden, Revoked):
        overridden = replace(overridden, changed=True)
    order = PublishOrder(issuer="test-ec", partition=5, serial=SERIAL, request_id=worse.request_id)
    assert decision.state == overridden
    assert decision.intents == (Intent("publish", order), Intent("cascade", CascadeOrder(key_sha256="1" * 64)))
    assert [each.TYPE for each in decision.events] == [RevocationRegistered.TYPE, KeyCompromised.TYPE]
    once_more = decide(overridden, event(requested(reason=RevocationReason.KEY_EXPOSED)), known, NOW)
    assert once_more.state is overridden
    assert once_more.intents == ()


@pytest.mark.parametrize("kind", ["answer", "publish", "unknown"])
def test_what_it_does_not_wait_for_changes_nothing(
    known: Knowledge, final: Entered, requested: Requested, kind: str
) -> None:
    assert decide(final, Due(uuid4(), requested().key(), kind, NOW), known, NOW) == Decision(final)


def test_only_ends_of_cases_and_requests_are_heeded(issued: CertificateIssued, requested: Requested) -> None:
    assert type(issued) in HANDLERS
    assert type(requested()) in HANDLERS
    assert IssuingRefused not in HANDLERS


@pytest.mark.parametrize("kind", ["answer", "revocation-clock", "unknown"])
def test_proposal_goes_on_at_its_own_deadline_only(known: Knowledge, kind: str) -> None:
    proposal = Proposal(
        id=uuid4(),
        reason=RevocationReason.PRIVILEGE_WITHDRAWN,
        operators="anna/bertil",
        key_sha256=None,
        rate=60,
        total=0,
        ordered=0,
        carried_at=None,
        proposed_at=NOW,
        next=(),
    )
    assert decide(proposal, Due(uuid4(), proposal_key(proposal.id), kind, NOW), known, NOW) == Decision(proposal)


def test_no_case_is_a_responder_s_key(known: Knowledge, final: Entered) -> None:
    """A responder chooses what it writes, but not which state that meets."""
    asked = Event(uuid4(), str(uuid4()), example(ResponderRequested), NOW)
    assert decide(final, asked, known, NOW) == Decision(final)
