"""D1, D3: a request is judged by the moment it was sent, whenever it is handled, at every border of validity."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import example, given
from hypothesis import strategies as st
from servicecert_pki.validity import HELSINKI
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.decide import decide
from servicecert_revoker.domain.knowledge import Knowledge, apply
from servicecert_revoker.domain.requests import ANSWER
from servicecert_revoker.domain.status import Registered, Valid
from servicecert_schemas.membership import MEMBERSHIP_RETRIES
from servicecert_schemas.revocation import RevocationRefused, RevocationRegistered, RevocationRequested
from servicecert_worker.core.decider import Due, Event
from services.revoker.conftest import member

Requested = Callable[..., RevocationRequested]
MakeEvent = Callable[..., Event]

HOURS_24 = timedelta(hours=24)
MICROSECOND = timedelta(microseconds=1)

# The days on which Finnish clocks change, the year's end, a leap day, and any other.
DAYS = st.one_of(
    st.sampled_from([date(2027, 3, 28), date(2027, 10, 31), date(2027, 12, 31), date(2028, 2, 29)]),
    st.dates(date(2027, 1, 1), date(2028, 11, 24)),
)
LAST_SECONDS = st.builds(
    lambda day, zone: datetime.combine(day, time(23, 59, 59), zone).astimezone(UTC),
    DAYS,
    st.sampled_from([HELSINKI, UTC]),
)
STEPS = st.one_of(
    st.sampled_from([-HOURS_24, -timedelta(seconds=1), -MICROSECOND, timedelta(), MICROSECOND, timedelta(seconds=1)]),
    st.timedeltas(-timedelta(hours=3), timedelta(hours=3)),
)
DELAYS = st.one_of(st.just(timedelta()), st.timedeltas(timedelta(), timedelta(days=3)))


@given(not_after=LAST_SECONDS, sent=STEPS, written=DELAYS, handled=DELAYS)
@example(datetime(2027, 12, 31, 21, 59, 59, tzinfo=UTC), timedelta(), timedelta(hours=1), timedelta(hours=1))
def test_D1_D3_request_is_answered_by_when_it_was_sent(
    known: Knowledge,
    certificate: Certificate,
    requested: Requested,
    event: MakeEvent,
    not_after: datetime,
    sent: timedelta,
    written: timedelta,
    handled: timedelta,
) -> None:
    sent_at = not_after + sent
    status = Valid(replace(certificate, not_after=not_after))
    written_at = sent_at + written
    decision = decide(status, event(requested(sent_at=sent_at), written_at), known, written_at + handled)
    (answer,) = decision.events
    if sent_at <= not_after:
        assert isinstance(answer, RevocationRegistered)
        assert (answer.requested_at, answer.due) == (sent_at, sent_at + HOURS_24)
        assert isinstance(decision.state, Registered)
    else:
        assert isinstance(answer, RevocationRefused)
        assert answer.code == "certificate-expired"
        assert decision.state is status


@given(not_after=LAST_SECONDS, ahead=st.timedeltas(MICROSECOND, timedelta(days=400)))
def test_D3_sending_time_after_the_event_or_before_the_certificate_is_not_believed(
    known: Knowledge,
    certificate: Certificate,
    requested: Requested,
    event: MakeEvent,
    not_after: datetime,
    ahead: timedelta,
) -> None:
    status = Valid(replace(certificate, not_after=not_after))
    in_time, late = not_after, not_after + timedelta(seconds=1)
    for written_at, code in ((in_time, None), (late, "certificate-expired")):
        for sent_at in (written_at + ahead, certificate.issued_at - ahead):
            (answer,) = decide(status, event(requested(sent_at=sent_at), written_at), known, late + HOURS_24).events
            assert getattr(answer, "code", None) == code


def test_D3_request_that_waits_over_the_end_is_answered_by_when_it_was_sent(
    known: Knowledge, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    """The membership of who asks is looked up again for a minute."""
    end = certificate.not_after
    request = requested(user="invited-later", sent_at=end)
    waiting = decide(Valid(certificate), event(request, end), known, end)
    assert waiting.events == ()
    later = end + MEMBERSHIP_RETRIES[-1]
    invited = apply(known, [member("invited-later")])
    (answer,) = decide(waiting.state, Due(request.request_id, request.key(), ANSWER, later), invited, later).events
    assert isinstance(answer, RevocationRegistered)
