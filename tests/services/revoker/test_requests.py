"""Which requests are right, and what they say (A2, A3, D1, D2, D4)."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN, Knowledge, apply
from servicecert_revoker.domain.requests import TEXTS, Code, Refused, answer, judge, revocation
from servicecert_revoker.domain.status import (
    TAKES_EFFECT_WITHIN,
    Asked,
    Entered,
    Listed,
    Registered,
    Revoked,
    Valid,
    pending_of,
)
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.membership import MEMBERSHIP_RETRIES
from servicecert_schemas.revocation import RevocationReason, RevocationRefused, RevocationRequested
from services.revoker.conftest import member, opened

Requested = Callable[..., RevocationRequested]
MakeAsked = Callable[..., Asked]

ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WRITTEN_AT = datetime(2026, 11, 24, 10, 1, tzinfo=UTC)
HERE = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, 450_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEY_EXPOSED, WITHDRAWN = RevocationReason.KEY_EXPOSED, RevocationReason.PRIVILEGE_WITHDRAWN
OTHER_CASE = UUID(int=9)
CASE = "7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01"


@pytest.mark.parametrize(
    "typed",
    [
        "0abc12",
        "0ABC12",
        "abc12",
        "0a:bc:12",
        "0A BC 12",
        "0xabc12",
        "0x0ABC12",
        "00 0a bc 12",
        " 0abc12 ",
        "703506",
        "703 506",
        "serial=0ABC12",
        "Serial = 0a:bc:12",
        "serial number: 0xABC12",
        "SERIAL=0x0abc12",
        "serienummer: 0abc12",
        "Sarjanumero: 0A-BC-12",
        "0a\u00a0bc\u200b12",
        "<0abc12>",
        "\ufeff{0a:bc:12}\u200e",
        "「703506」",
        "\u275d0abc12\u275e",
    ],
)
def test_D1_serial_is_read_however_it_is_typed(
    known: Knowledge, requested: Requested, certificate: Certificate, typed: str
) -> None:
    request = RevocationRequested.model_validate({**dict(requested()), "serial_as_typed": typed})
    own = replace(certificate, serial="0abc12")
    assert judge(Asked(request, WRITTEN_AT, HERE), own, known, NOW) == own


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "0abc13",
        "0abc1",
        "0abc12g",
        "-703506",
        "703507",
        "0abc12 0abc12",
        "٧",
        "serial=",
        "0x",
        "x0abc12",
        "issuer=0abc12",
    ],
)
def test_D1_another_serial_is_not_read_as_this_one(
    known: Knowledge, asked: MakeAsked, certificate: Certificate, typed: str
) -> None:
    own = replace(certificate, serial="0abc12")
    assert judge(asked(serial_as_typed=typed), own, known, NOW) == Refused(Code.NO_SUCH_CERTIFICATE, in_case=True)


def test_D1_of_two_readings_the_decisions_own_counts(
    known: Knowledge, asked: MakeAsked, certificate: Certificate
) -> None:
    typed = asked(serial_as_typed="1234")
    for serial, counts in (("1234", True), (f"{1234:04x}", True), ("1235", False)):
        own = replace(certificate, serial=serial)
        assert (judge(typed, own, known, NOW) == own) is counts


@pytest.mark.parametrize("assurance", [Assurance.SUBSTANTIAL, Assurance.HIGH])
def test_A2_strongly_authenticated_member_of_the_account_may_revoke(
    known: Knowledge, asked: MakeAsked, certificate: Certificate, assurance: Assurance
) -> None:
    assert isinstance(judge(asked(assurance=assurance), certificate, known, NOW), Certificate)


@pytest.mark.parametrize(("user", "in_case"), [("user-1", True), ("stranger", False)])
def test_A2_weakly_authenticated_user_may_not(
    known: Knowledge, asked: MakeAsked, certificate: Certificate, user: str, in_case: bool
) -> None:
    weak = asked(assurance=Assurance.LOW, user=user)
    assert judge(weak, certificate, known, NOW) == Refused(Code.NOT_STRONGLY_AUTHENTICATED, in_case)


def test_A2_user_whom_nobody_invited_is_asked_for_again_a_minute_long_and_then_refused(
    known: Knowledge, asked: MakeAsked, certificate: Certificate
) -> None:
    for stranger in (asked(user="stranger"), asked(account="account-3")):
        now, looks = HERE, 0
        while isinstance(verdict := judge(stranger, certificate, known, now), datetime):
            now, looks = verdict, looks + 1
        assert (now, looks) == (HERE + MEMBERSHIP_RETRIES[-1], len(MEMBERSHIP_RETRIES))
        assert verdict == Refused(Code.NO_SUCH_CERTIFICATE, in_case=False)


def test_A2_nobody_acts_for_an_account_of_which_it_is_not_known_whose_it_is(
    asked: MakeAsked, certificate: Certificate
) -> None:
    unbound = apply(NOTHING_KNOWN, [member("user-1")])
    late = HERE + MEMBERSHIP_RETRIES[-1]
    assert judge(asked(), certificate, unbound, late) == Refused(Code.NO_SUCH_CERTIFICATE, in_case=False)


def test_A3_technical_contact_may_say_that_the_key_of_the_one_case_is_exposed_and_nothing_else(
    known: Knowledge, asked: MakeAsked, certificate: Certificate
) -> None:
    contact: dict[str, Any] = {"user": "contact-1", "role": Role.TECHNICAL_CONTACT}
    assert isinstance(judge(asked(**contact, reason=KEY_EXPOSED), certificate, known, NOW), Certificate)
    assert judge(asked(**contact), certificate, known, NOW) == Refused(Code.ROLE_NOT_ALLOWED, in_case=True)
    elsewhere = asked(**contact, reason=KEY_EXPOSED, case_id=OTHER_CASE)
    assert isinstance(judge(elsewhere, certificate, known, NOW), datetime), "nobody invited them there"
    colleague = asked(user="contact-1", reason=RevocationReason.NO_LONGER_NEEDED)
    assert judge(colleague, certificate, known, NOW) == Refused(Code.ROLE_NOT_ALLOWED, in_case=True)


@pytest.mark.parametrize("claimed", [Role.COLLEAGUE, Role.TECHNICAL_PARTNER, Role.TECHNICAL_CONTACT])
@pytest.mark.parametrize("reason", [reason for reason in RevocationReason if reason is not WITHDRAWN])
@pytest.mark.parametrize("user", ["user-1", "partner-1", "contact-1"])
def test_A3_D2_a_colleague_gives_each_reason_and_who_holds_the_key_its_exposure_whatever_role_they_claim(
    known: Knowledge, asked: MakeAsked, certificate: Certificate, user: str, reason: RevocationReason, claimed: Role
) -> None:
    verdict = judge(asked(user=user, role=claimed, reason=reason), certificate, known, NOW)
    if user == "user-1" or reason is KEY_EXPOSED:
        assert isinstance(verdict, Certificate)
    else:
        assert verdict == Refused(Code.ROLE_NOT_ALLOWED, in_case=True)


@pytest.mark.parametrize("reason", RevocationReason)
def test_A3_membership_as_an_operator_gives_no_right_of_a_customer(
    asked: MakeAsked, certificate: Certificate, reason: RevocationReason
) -> None:
    """Nor does it make the user one of the authority's operators: these need a second one's confirmation (D2)."""
    staff = apply(NOTHING_KNOWN, [opened(), member("staff-1", Role.OPERATOR)])
    for claimed in Role:
        assert isinstance(judge(asked(user="staff-1", role=claimed, reason=reason), certificate, staff, NOW), Refused)


def test_D2_privilege_withdrawn_is_the_authoritys_own_reason(
    known: Knowledge, asked: MakeAsked, certificate: Certificate
) -> None:
    assert judge(asked(reason=WITHDRAWN), certificate, known, NOW) == Refused(Code.REASON_RESERVED, in_case=True)


def test_D2_operators_request_counts_only_where_two_operators_want_it(
    known: Knowledge, asked: MakeAsked, certificate: Certificate
) -> None:
    claimed = asked(reason=WITHDRAWN, role=Role.OPERATOR)
    id = claimed.request.request_id
    refused = Refused(Code.NOT_CONFIRMED, in_case=False)
    assert judge(claimed, certificate, known, NOW) == refused
    assert judge(claimed, None, known, NOW) == refused
    confirmed = replace(known, confirmed=MappingProxyType({(id, claimed.request.case_id): WITHDRAWN.value}))
    assert isinstance(judge(claimed, certificate, confirmed, NOW), Certificate)
    assert judge(claimed, None, confirmed, NOW) == HERE + TAKES_EFFECT_WITHIN
    for else_ in ({(id, claimed.request.case_id): KEY_EXPOSED.value}, {(id, OTHER_CASE): WITHDRAWN.value}):
        assert judge(claimed, certificate, replace(known, confirmed=MappingProxyType(else_)), NOW) == refused


def test_D6_revokers_own_request_counts_only_where_the_key_is_compromised(
    known: Knowledge, asked: MakeAsked, certificate: Certificate
) -> None:
    cascade_requests = asked(reason=KEY_EXPOSED, role=Role.OPERATOR, user="revoker")
    assert judge(cascade_requests, certificate, known, NOW) == Refused(Code.NOT_CONFIRMED, in_case=False)
    compromised = replace(known, compromised=frozenset({certificate.key_sha256}))
    assert isinstance(judge(cascade_requests, certificate, compromised, NOW), Certificate)
    other = asked(reason=WITHDRAWN, role=Role.OPERATOR, user="revoker")
    assert judge(other, certificate, compromised, NOW) == Refused(Code.NOT_CONFIRMED, in_case=False)


def calls(act: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return the result of an act and the functions that it calls: its work, without a clock."""
    called: list[str] = []

    def record(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and "servicecert" in frame.f_code.co_filename:
            called.append(frame.f_code.co_name)

    sys.setprofile(record)
    try:
        return act(), called
    finally:
        sys.setprofile(None)


def test_D1_serial_of_another_account_is_refused_as_one_that_is_nobodys_with_the_same_work(
    known: Knowledge, requested: Requested, certificate: Certificate
) -> None:
    """The request names an own decision. No lookup uses the serial number, so an existing one makes no difference."""
    theirs, nobodys = "4a" + "00" * 14 + "0c", "7f" + "ff" * 14 + "ee"
    request = requested(serial_as_typed=theirs)
    outcomes = []
    for typed in (theirs, nobodys):
        asked = Asked(request.model_copy(update={"serial_as_typed": typed}), WRITTEN_AT, HERE)
        outcomes.append(calls(partial(answer, Valid(certificate), (asked,), known, NOW)))
    assert outcomes[0] == outcomes[1]
    assert [each.code for each in outcomes[0][0].events] == [Code.NO_SUCH_CERTIFICATE]


@pytest.mark.parametrize("kind", [Valid, Registered, Listed, Revoked])
def test_D1_case_of_another_account_is_answered_as_one_without_a_certificate_at_the_same_time_with_the_same_work(
    known: Knowledge, asked: MakeAsked, certificate: Certificate, registered: Registered, kind: type[Valid | Entered]
) -> None:
    there = Valid(certificate) if kind is Valid else kind(certificate, registered.revocation)
    request = asked(account="account-2")
    waits = [answer(status, (request,), known, NOW) for status in (there, None)]
    assert waits[0].deadlines == waits[1].deadlines
    assert waits[0].events == waits[1].events == ()
    assert pending_of(waits[0].state) == pending_of(waits[1].state) == (request,)
    for now, verdict in ((NOW, HERE + TAKES_EFFECT_WITHIN), (HERE + TAKES_EFFECT_WITHIN, None)):
        known_one, unknown_one = (calls(partial(judge, request, found, known, now)) for found in (certificate, None))
        assert known_one == unknown_one
        assert known_one[0] == (verdict or Refused(Code.NO_SUCH_CERTIFICATE, in_case=True))


@pytest.mark.parametrize("code", TEXTS)
def test_refusal_speaks_three_languages(code: str) -> None:
    texts = TEXTS[code]
    assert len({texts.sv, texts.fi, texts.en}) == 3


def test_refusal_names_the_request_and_whose_it_is(
    known: Knowledge, requested: Requested, certificate: Certificate
) -> None:
    request = requested(assurance=Assurance.LOW, user="stranger")
    asked = Asked(request, WRITTEN_AT, HERE)
    assert answer(Valid(certificate), (asked,), known, NOW).events == (
        RevocationRefused(
            case_id=request.case_id,
            request_id=request.request_id,
            account_id="account-1",
            in_case=False,
            code=Code.NOT_STRONGLY_AUTHENTICATED,
            texts=TEXTS[Code.NOT_STRONGLY_AUTHENTICATED],
        ),
    )


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
def test_D3_exposure_lies_within_the_certificates_life(
    asked: MakeAsked,
    certificate: Certificate,
    reason: RevocationReason,
    since: datetime | None,
    invalid: datetime | None,
) -> None:
    assert revocation(asked(reason=reason, exposed_since=since), certificate, NOW).invalid_since == invalid


@pytest.mark.parametrize("since", [SENT_AT, datetime(2030, 1, 1, tzinfo=UTC)])
def test_D3_exposure_before_the_certificate_begins_is_never_in_the_future(
    asked: MakeAsked, certificate: Certificate, since: datetime
) -> None:
    """A certificate may begin in 60 days (A14)."""
    ahead = replace(certificate, not_before=NOW + timedelta(days=60))
    made = revocation(asked(reason=RevocationReason.KEY_EXPOSED, exposed_since=since), ahead, NOW)
    assert made.invalid_since == made.revoked_at == NOW.replace(microsecond=0)


def test_D4_a_request_is_never_from_the_future_where_the_issuers_clock_is_ahead(
    asked: MakeAsked, certificate: Certificate
) -> None:
    ahead = replace(certificate, issued_at=NOW + timedelta(seconds=2))
    assert revocation(asked(), ahead, NOW).requested_at == NOW
