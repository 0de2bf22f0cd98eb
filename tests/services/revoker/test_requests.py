"""Which requests are right, and what they say (A2, D1, D2, D4)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from servicecert_revoker.requests import NO_SUCH_CERTIFICATE, fault_of, invalid_since, reads_as, refusal, revocation
from servicecert_revoker.status import Asked, Certificate
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested

Requested = Callable[..., RevocationRequested]
MakeAsked = Callable[..., Asked]

ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WRITTEN_AT = datetime(2026, 11, 24, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, 450_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "typed",
    ["0abc12", "0ABC12", "abc12", "0a:bc:12", "0A BC 12", "0xabc12", "0x0ABC12", "00 0a bc 12", " 0abc12 ", "703506"],
)
def test_D1_serial_is_read_however_it_is_typed(typed: str) -> None:
    assert reads_as(typed, "0abc12")


@pytest.mark.parametrize("typed", ["", "0abc13", "0abc1", "0abc12g", "-703506", "703507", "0abc12 0abc12", "٧"])
def test_D1_another_serial_is_not_read_as_this_one(typed: str) -> None:
    assert not reads_as(typed, "0abc12")


def test_D1_of_two_readings_the_decisions_own_counts() -> None:
    assert reads_as("1234", "1234")
    assert reads_as("1234", f"{1234:04x}")
    assert not reads_as("1234", "1235")


@pytest.mark.parametrize("assurance", [Assurance.SUBSTANTIAL, Assurance.HIGH])
def test_A2_strongly_authenticated_user_of_the_account_may_revoke(
    requested: Requested, certificate: Certificate, assurance: Assurance
) -> None:
    assert fault_of(requested(assurance=assurance), certificate) is None


def test_A2_weakly_authenticated_user_may_not(requested: Requested, certificate: Certificate) -> None:
    assert fault_of(requested(assurance=Assurance.LOW), certificate) == "not-strongly-authenticated"


def test_D1_another_account_learns_nothing_of_the_serial(requested: Requested, certificate: Certificate) -> None:
    faults = {
        fault_of(request, certificate)
        for request in (
            requested(account="account-2"),
            requested(account="account-2", serial_as_typed="77"),
            requested(serial_as_typed="77"),
        )
    }
    assert faults == {NO_SUCH_CERTIFICATE}


def test_D2_privilege_withdrawn_is_the_authoritys_own_reason(requested: Requested, certificate: Certificate) -> None:
    reason = RevocationReason.PRIVILEGE_WITHDRAWN
    assert fault_of(requested(reason=reason), certificate) == "reason-reserved"
    assert fault_of(requested(reason=reason, role=Role.OPERATOR), certificate) is None


@pytest.mark.parametrize(
    "code", ["not-strongly-authenticated", "no-such-certificate", "reason-reserved", "certificate-expired"]
)
def test_refusal_speaks_three_languages(requested: Requested, code: str) -> None:
    request = requested()
    refused = refusal(request, code)
    assert (refused.case_id, refused.request_id, refused.code) == (request.case_id, request.request_id, code)
    assert len({refused.texts.sv, refused.texts.fi, refused.texts.en}) == 3


def test_D4_clock_runs_from_when_the_request_was_sent(asked: MakeAsked, certificate: Certificate) -> None:
    made = revocation(asked(), certificate, NOW)
    assert made.requested_at == SENT_AT
    assert made.due == SENT_AT + timedelta(hours=24)
    assert made.revoked_at == NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    ("sent", "written", "counts"),
    [
        (datetime(2030, 1, 1, tzinfo=UTC), WRITTEN_AT, WRITTEN_AT),
        (datetime(1990, 1, 1, tzinfo=UTC), WRITTEN_AT, WRITTEN_AT),
        (WRITTEN_AT, datetime(2030, 1, 1, tzinfo=UTC), WRITTEN_AT),
        (datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC), NOW),
        (SENT_AT, datetime(1990, 1, 1, tzinfo=UTC), ISSUED_AT),
    ],
)
def test_D4_absurd_sending_time_gives_way_to_the_events(
    asked: MakeAsked, certificate: Certificate, sent: datetime, written: datetime, counts: datetime
) -> None:
    assert revocation(asked(at=written, sent_at=sent), certificate, NOW).requested_at == counts


@pytest.mark.parametrize(
    ("reason", "since", "invalid"),
    [
        (RevocationReason.KEY_EXPOSED, None, None),
        (RevocationReason.NO_LONGER_NEEDED, SENT_AT, None),
        (RevocationReason.KEY_EXPOSED, SENT_AT, SENT_AT),
        (RevocationReason.KEY_EXPOSED, datetime(1990, 1, 1, tzinfo=UTC), ISSUED_AT),
        (RevocationReason.KEY_EXPOSED, datetime(2030, 1, 1, tzinfo=UTC), NOW.replace(microsecond=0)),
    ],
)
def test_exposure_lies_within_the_certificates_life(
    requested: Requested,
    certificate: Certificate,
    reason: RevocationReason,
    since: datetime | None,
    invalid: datetime | None,
) -> None:
    assert invalid_since(requested(reason=reason, exposed_since=since), certificate, NOW) == invalid
