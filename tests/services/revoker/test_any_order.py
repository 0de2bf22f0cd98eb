"""D3, D4, I7, I12: in any order of events nothing is undone, reported too early or left unanswered."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st
from servicecert_pki.partitions import FULL
from servicecert_revoker.domain.crl_orders import Confirmed, Published, PublishedCrl
from servicecert_revoker.domain.decide import State, decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.requests import ANSWER, MOST_PENDING
from servicecert_revoker.domain.status import (
    CHANGE_CLOCK,
    CLOCK,
    Awaited,
    Entered,
    Listed,
    Registered,
    Revoked,
    Valid,
    pending_of,
)
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.deadline import DeadlineWarned
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.revocation import (
    CertificateRevoked,
    Notify,
    RevocationReason,
    RevocationRefused,
    RevocationRegistered,
    Standing,
    StandingChanged,
)
from servicecert_worker.core.decider import Due, Event, Happened, Intent, Result
from services.revoker.stand import examined

CASE = UUID("7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01")
BEGIN = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ORDER = (Awaited, Valid, Registered, Listed, Revoked)

REQUESTS = st.fixed_dictionaries(
    {
        "number": st.integers(0, 5),
        "account": st.sampled_from(["account-1", "account-1", "account-2", "account-3"]),
        "user": st.sampled_from(["user-1", "user-1", "contact-1", "stranger"]),
        "role": st.sampled_from([Role.COLLEAGUE, Role.COLLEAGUE, Role.TECHNICAL_CONTACT, Role.OPERATOR]),
        "assurance": st.sampled_from([Assurance.HIGH, Assurance.HIGH, Assurance.LOW]),
        "reason": st.sampled_from(RevocationReason),
        "serial_as_typed": st.sampled_from(
            ["4a00000000000000000000000000000b", "4a00000000000000000000000000000b", "77"]
        ),
        "exposed_since": st.sampled_from([None, BEGIN - timedelta(minutes=30), BEGIN - timedelta(days=9)]),
        "notify": st.sampled_from(
            [None, *(Notify(email=email) for email in ("a@example.fi", "b@example.fi", "b@EXAMPLE.fi", "c@example.fi"))]
        ),
    }
)
CRASH_POINTS = st.lists(
    st.one_of(
        st.just(("issue", None)),
        st.just(("void", None)),
        st.tuples(st.just("ask"), REQUESTS),
        st.tuples(st.just("act"), st.integers(0, 10)),
        st.tuples(st.just("pass"), st.sampled_from([timedelta(seconds=30), timedelta(hours=13), timedelta(days=800)])),
    ),
    max_size=30,
)


class History:
    """One case at one revoker: its state, its acts that are not done, its deadlines, and all its events."""

    def __init__(self, known: Knowledge) -> None:
        self.known = known
        self.now = BEGIN
        self.state: State | None = None
        self.acts: list[Intent] = []
        self.deadlines: dict[str, datetime] = {}
        self.events: list[Any] = []
        self.listed: set[UUID] = set()
        self.asked: set[UUID] = set()
        self.happenings = 0

    def happen(self, make: Any) -> None:
        self.happenings += 1
        happened: Happened = make(uuid5(CASE, str(self.happenings)))
        if isinstance(happened, Event):
            happened = examined(happened)
        before = self.state
        decision = decide(before, happened, self.known, self.now)
        self.state = decision.state
        self.acts += decision.intents
        for deadline in decision.deadlines:
            self.deadlines.pop(deadline.kind, None)
            if deadline.at is not None:
                self.deadlines[deadline.kind] = deadline.at
        self.events += decision.events
        self._check(before, decision.events)

    def _check(self, before: State | None, events: Any) -> None:
        after = self.state
        if before is not None:
            assert ORDER.index(type(after)) >= ORDER.index(type(before)), "D3: never back"
        if isinstance(before, Entered):
            assert isinstance(after, Entered)
            was, now = before.revocation, after.revocation
            assert (was.requested_at, was.due, was.revoked_at) == (now.requested_at, now.due, now.revoked_at)
            assert was.reason is now.reason or now.reason is RevocationReason.KEY_EXPOSED
            if was.reason is RevocationReason.KEY_EXPOSED and was != now:
                assert now.invalid_since is not None
                assert now.invalid_since < (was.invalid_since or was.revoked_at), "D3: never to a later date"
        for each in events:
            if isinstance(each, CertificateRevoked):
                assert isinstance(before, Listed | Revoked), "I7: reported only after the CRL and OCSP"
                assert isinstance(after, Revoked)
                assert not after.changed
                assert before.revocation.request_id in self.listed
                assert each.reason is before.revocation.reason
            if isinstance(each, StandingChanged) and each.reason is not None:
                assert isinstance(after, Entered)
                assert after.revocation.request_id in self.listed, "I7: OCSP says it after the CRL"
        mailed = [
            (each.reason, each.invalid_since, recipient.email)
            for each in self.events
            if isinstance(each, CertificateRevoked)
            for recipient in each.recipients
        ]
        assert len(mailed) == len(set(mailed)), "D5: each address once about each entry"
        open_now = isinstance(after, Registered | Listed)
        warned = [(each.since, each.mark) for each in self.events if isinstance(each, DeadlineWarned)]
        assert len(warned) == len(set(warned)), "E2: each mark once"
        assert (CLOCK in self.deadlines) <= open_now, "D4: the clock runs for what is open alone"
        changed = isinstance(after, Revoked) and after.changed
        assert (CHANGE_CLOCK in self.deadlines) <= (open_now or changed), "D4: and that of a change"
        pending = pending_of(after)
        assert (ANSWER in self.deadlines) == bool(pending), "whatever waits is woken"
        assert len(pending) <= MOST_PENDING

    def do(self, place: int) -> None:
        """One of the acts that are to be done, in any order."""
        if not self.acts:
            return
        act = self.acts.pop(place % len(self.acts))
        if act.kind == "publish":
            self.listed.add(act.data.request_id)
            crl = PublishedCrl(
                partition=FULL,
                number=1,
                url="http://crl.example.fi/test-ec.crl",
                this_update=self.now,
                next_update=self.now + timedelta(days=3),
                entries=1,
                sha256="a" * 64,
            )
            published = Published(
                issuer="test-ec",
                crl=crl,
                announced=(),
                next_planned=self.now,
                published_at=self.now,
                request_id=act.data.request_id,
            )
            self.happen(lambda id: Result(id, str(CASE), "publish", published))
        elif act.kind == "confirm":
            confirmed = Confirmed(**act.data.model_dump(), confirmed_at=self.now)
            self.happen(lambda id: Result(id, str(CASE), "confirm", confirmed))

    def wake(self) -> None:
        """The deadlines that are due, in their order."""
        for kind, at in sorted(self.deadlines.items(), key=lambda each: each[1]):
            if at <= self.now and self.deadlines.get(kind) == at:
                del self.deadlines[kind]
                self.happen(lambda id, kind=kind, at=at: Due(id, str(CASE), kind, at))


@settings(max_examples=150)
@given(steps=CRASH_POINTS)
def test_D3_D4_I7_any_interleaving_takes_nothing_back_and_leaves_nothing_unanswered(
    known: Knowledge, issued: CertificateIssued, requested: Any, steps: list[tuple[str, Any]]
) -> None:
    history = History(known)
    voided = CertificateVoided(
        case_id=CASE, issuer="test-ec", serial="0c", serial_decimal="12", code="deadline", not_after=issued.not_after
    )
    for step, what in steps:
        if step == "issue":
            history.happen(lambda id: Event(id, str(CASE), issued, BEGIN))
        elif step == "void":
            history.happen(lambda id: Event(id, str(CASE), voided, BEGIN))
        elif step == "ask":
            about = {**what, "request_id": UUID(int=what["number"])}
            del about["number"]
            # A request that is sent again is the same, whatever else it says.
            if about["request_id"] not in history.asked:
                history.asked.add(about["request_id"])
                request = requested(**about, sent_at=history.now)
                history.happen(lambda id, request=request: Event(id, str(CASE), request, history.now))
        elif step == "act":
            history.do(what)
        else:
            history.now += what
            history.wake()
    while history.acts:
        history.do(0)
    while history.deadlines:
        history.now = max(history.now, min(history.deadlines.values()))
        history.wake()
        while history.acts:
            history.do(0)
    answered = {
        each.request_id for each in history.events if isinstance(each, RevocationRegistered | RevocationRefused)
    }
    assert answered == history.asked, "every request is answered in the end"
    assert not isinstance(history.state, Registered | Listed), "what is right is revoked in the end"
    if isinstance(history.state, Revoked):
        assert not history.state.changed, "what changes it, too"
        is_notified = any(isinstance(each, CertificateRevoked) for each in history.events)
        assert is_notified is (history.state.issued is not None), "B2: nobody is notified of a void one"
    if isinstance(history.state, Entered) and history.state.issued is None:
        assert not [each for each in history.events if isinstance(each, RevocationRegistered)]
        assert [each.standing for each in history.events if isinstance(each, StandingChanged)] == [Standing.REVOKED]
