"""E1, D3: what other services report of a case."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_intake.domain.case import history
from servicecert_intake.domain.reports import handle_report
from servicecert_intake.domain.view import case_changed
from servicecert_schemas.application import ApplicationEvent
from servicecert_schemas.case import CaseState, DeliveryProblem, EventRefused, NextActor
from servicecert_schemas.mail import MailRefused

MOMENTS = ("at", "requested_at", "revoked_at", "published_at")


def view(decision):
    return decision.events[0]


def states(decision):
    return [entry.state for entry in view(decision).history]


def test_E1_the_certificate_is_shown_when_it_is_issued(after, happen, happenings):
    decision = happen(happenings["issued"], after("submitted"))
    assert states(decision) == [CaseState.SUBMITTED, CaseState.ACCEPTED, CaseState.ISSUED]
    assert view(decision).certificate.serial == "0a" * 16
    assert view(decision).certificate.der == happenings["issued"].data.certificate
    assert view(decision).history[-1].at == happenings["issued"].time


def test_B1_the_case_says_where_a_certificate_is_shorter_than_was_accepted(accepts, happen, happenings):
    """It was signed so late that two years had become a day shorter."""
    case = accepts(validity_days=731).state
    issued = happenings["issued"]
    for days, says in ((730, True), (731, False)):
        end = issued.data.not_before + timedelta(days=days) - timedelta(seconds=1)
        decision = happen(replace(issued, data=issued.data.model_copy(update={"not_after": end})), case)
        assert ("fewer days than you asked for" in view(decision).next_step.en) is says
        undelivered = happen(
            happenings["orderer given up"], happen(happenings["contact refused"], decision.state).state
        )
        assert ("fewer days than you asked for" in view(undelivered).next_step.en) is says
        assert "could not be delivered" in view(undelivered).next_step.en


def test_E1_delivered_means_that_every_mail_has_come_to_its_end(after):
    assert after("submitted", "issued", "orderer has it").state is CaseState.ISSUED
    assert after("submitted", "issued", "orderer has it", "contact refused").state is CaseState.DELIVERED
    assert after("submitted", "issued", "orderer has it", "contact has it").state is CaseState.DELIVERED


def test_E1_nothing_is_delivered_where_no_mail_was_handed_over(after, happen, happenings):
    case = after("submitted", "issued", "contact refused")
    decision = happen(happenings["orderer given up"], case)
    assert view(decision).state is CaseState.ISSUED
    assert "could not be delivered" in view(decision).next_step.en
    assert view(decision).acts_next is NextActor.APPLICANT
    assert [each.delivered for each in view(decision).deliveries] == [False, False]


def test_C3_a_mail_that_did_not_arrive_is_seen_at_once_with_its_reason_and_what_to_do(after, happen, happenings):
    decision = happen(happenings["contact refused"], after("submitted", "issued", "orderer has it"))
    assert view(decision).state is CaseState.DELIVERED
    assert [each.problem for each in view(decision).deliveries] == [None, DeliveryProblem.REFUSED]
    assert "tell the certificate service the right e-mail address" in view(decision).next_step.en
    assert view(decision).acts_next is NextActor.APPLICANT
    given_up = view(happen(happenings["orderer given up"], after("submitted", "issued")))
    assert given_up.deliveries[0].problem is DeliveryProblem.GIVEN_UP


def test_C3_what_came_back_later_is_seen_too_and_what_arrived_at_last(after, happen, happenings):
    delivered = after("submitted", "issued", "orderer has it", "contact has it")
    decision = happen(happenings["contact bounced"], delivered)
    assert view(decision).state is CaseState.DELIVERED
    assert view(decision).deliveries[-1].problem is DeliveryProblem.BOUNCED
    assert "did not arrive" in view(decision).next_step.en
    again = replace(happenings["contact has it"], id=UUID(int=7))
    later = again.data.model_copy(update={"at": again.data.at + timedelta(hours=1)})
    arrived = view(happen(replace(again, data=later), decision.state))
    assert "did not arrive" not in arrived.next_step.en
    since = history(delivered)[-1]
    assert view(decision).history[-1] == arrived.history[-1] == since
    assert (view(decision).acts_next, arrived.acts_next) == (NextActor.APPLICANT, NextActor.NOBODY)


def test_C3_who_supplements_corrects_the_address_there(after, happen, happenings):
    mail = happenings["return mailed"]
    data = MailRefused(**mail.data.model_dump() | {"answer": "5xx"})
    decision = happen(replace(mail, data=data), after("submitted wrongly"))
    assert view(decision).state is CaseState.RETURNED
    assert "correct that e-mail address in the supplement" in view(decision).next_step.en
    assert view(decision).acts_next is NextActor.APPLICANT


@pytest.mark.parametrize("happened", [("submitted without request",), ("submitted",), ("submitted", "issued")])
def test_C3_whoever_is_asked_for_a_right_address_acts_next(happened, after, happen, happenings):
    """Also where the request is waited for: the technical contact has got no invitation."""
    decision = happen(happenings["contact refused"], after(*happened))
    assert "A mail did not arrive" in view(decision).next_step.en
    assert view(decision).acts_next is NextActor.APPLICANT


def test_C3_whose_address_was_corrected_is_asked_no_more(after, happen, happenings):
    returned = after("submitted wrongly", "return mailed")
    early = {"at": happenings["submitted"].time - timedelta(minutes=1), "recipient": "orderer"}
    refused = replace(happenings["contact refused"], data=happenings["contact refused"].data.model_copy(update=early))
    missed = happen(refused, replace(returned, deliveries=())).state
    same = happenings["supplemented"]
    right = same.data.form.orderer.model_copy(update={"email": "right@example.fi"})
    corrected = replace(
        same, data=same.data.model_copy(update={"form": same.data.form.model_copy(update={"orderer": right})})
    )
    for event, acts_next in ((same, NextActor.APPLICANT), (corrected, NextActor.AUTHORITY)):
        seen = view(happen(event, missed))
        assert (seen.state, seen.acts_next) == (CaseState.ACCEPTED, acts_next)
    late = happen(replace(refused, id=UUID(int=7), data=refused.data.model_copy(update={"at": same.time})), missed)
    assert view(happen(corrected, late.state)).acts_next is NextActor.APPLICANT
    old = refused.data.model_copy(update={"at": same.time + timedelta(days=4), "planned_at": refused.data.at})
    right_now = happen(corrected, missed).state
    bounced = happen(replace(refused, id=UUID(int=8), data=old), right_now)
    assert view(bounced).acts_next is NextActor.AUTHORITY, "the mail went to the address before the correction"


def test_E1_a_revoked_case_says_nothing_of_old_mails(after, happen, happenings):
    revoked = after("submitted", "issued", "orderer has it", "contact refused", "revoked")
    assert "did not arrive" not in view(happen(happenings["contact bounced"], revoked)).next_step.en


def test_E1_other_mails_are_shown_and_deliver_nothing(after):
    case = after("submitted wrongly", "return mailed", "supplemented", "issued", "orderer has it")
    assert [mail.kind for mail in case.deliveries] == ["application-returned", "certificate-issued"]
    assert case.state is CaseState.ISSUED


def test_E1_mail_may_overtake_the_certificate(after, happen, happenings):
    decision = happen(happenings["issued"], after("submitted", "orderer has it", "contact has it"))
    assert states(decision)[-2:] == [CaseState.ISSUED, CaseState.DELIVERED]


def test_E1_revocation_is_shown_as_requested_and_as_revoked(after, happen, happenings):
    requested = happen(happenings["to be revoked"], after("submitted", "issued"))
    assert (view(requested).state, view(requested).revocation.state) == (CaseState.REVOCATION_REQUESTED, "requested")
    revoked = happen(happenings["revoked"], requested.state)
    assert states(revoked)[-2:] == [CaseState.REVOCATION_REQUESTED, CaseState.REVOKED]
    assert view(revoked).revocation.revoked_at is not None


def test_E1_d4_can_be_measured_by_when_a_revocation_was_requested_decided_and_published(after, happen, happenings):
    reported, delay = happenings["revoked"].data, timedelta(seconds=29)
    moments = {"revoked_at": reported.requested_at + delay / 2, "published_at": reported.requested_at + delay}
    event = replace(happenings["revoked"], data=reported.model_copy(update=moments))
    decision = happen(event, after("submitted", "issued", "to be revoked"))
    shown = view(decision).revocation
    assert (shown.revoked_at, shown.published_at) == tuple(moments.values())
    assert shown.published_at - shown.requested_at == delay
    requested, revoked = view(decision).history[-2:]
    assert (requested.at, revoked.at) == (shown.requested_at, shown.published_at)


def test_E1_of_two_publications_the_first_is_when_the_world_could_know(after, happenings):
    first = after("submitted", "issued", "to be revoked", "revoked").revocation
    exposed = happenings["revoked for exposure"]
    later = exposed.data.model_copy(update={"published_at": first.published_at + timedelta(hours=3)})
    for case in (after("submitted", "issued", "revoked"), after("submitted", "issued")):
        both = handle_report(case, replace(exposed, data=later), exposed.time).state
        both = handle_report(both, happenings["revoked"], exposed.time).state or both
        assert both.revocation.published_at == first.published_at


def test_E1_a_case_that_an_earlier_version_stored_is_revoked_when_it_was_decided(after, happen, happenings):
    case = after("submitted", "issued", "to be revoked", "revoked")
    stored = replace(case, revocation=case.revocation.model_copy(update={"published_at": None}))
    shown = view(happen(happenings["contact bounced"], stored))
    assert shown.history[-1].at == shown.revocation.revoked_at


def test_E1_no_moment_is_before_its_cause_whatever_is_rounded_and_whose_clock_is_behind(after, happen, happenings):
    """CRLs round down to seconds; issuer, notifier and revoker have clocks of their own."""
    behind = timedelta(milliseconds=570)
    case = after("submitted")
    accepted = case.entered[-1].at
    for name in ("issued", "orderer has it", "contact has it", "to be revoked", "revoked"):
        data = happenings[name].data
        rounded = {key: accepted - behind for key in ("at", "requested_at", "published_at") if hasattr(data, key)}
        rounded |= {"revoked_at": accepted - 2 * behind} if hasattr(data, "revoked_at") else {}
        event = replace(happenings[name], time=accepted - behind, data=data.model_copy(update=rounded))
        decision = happen(event, case)
        case = decision.state
    shown = view(decision)
    moments = [entry.at for entry in shown.history]
    assert states(decision)[-4:] == ["issued", "delivered", "revocation-requested", "revoked"]
    assert moments == sorted(moments)
    assert shown.revocation.requested_at <= shown.revocation.revoked_at <= shown.revocation.published_at


def test_E1_what_intake_decides_later_is_not_entered_earlier(after, happen, happenings):
    """Two workers have two clocks."""
    returned = after("submitted wrongly")
    ahead = replace(
        returned,
        entered=tuple(each.model_copy(update={"at": each.at + timedelta(minutes=1)}) for each in returned.entered),
    )
    moments = [entry.at for entry in view(happen(happenings["supplemented"], ahead)).history]
    assert len(moments) > len(returned.entered)
    assert moments == sorted(moments)


@given(data=st.data())
def test_E1_a_history_ends_with_its_state_whatever_is_reported_in_whatever_order(after, happen, happenings, data):
    case = after("submitted")
    reports = [each for each in sorted(happenings) if not isinstance(happenings[each].data, ApplicationEvent)]
    for name in data.draw(st.lists(st.sampled_from(reports), max_size=8)):
        at = {each: case.entered[-1].at + timedelta(minutes=data.draw(st.integers(0, 9))) for each in MOMENTS}
        event = happenings[name]
        told = {each: moment for each, moment in at.items() if hasattr(event.data, each)}
        case = happen(replace(event, time=at["at"], data=event.data.model_copy(update=told)), case).state
        shown = case_changed(case)
        assert shown.history[-1].state is shown.state is case.state
        moments = [entry.at for entry in shown.history]
        assert moments == sorted(moments)


def test_E1_a_mail_that_arrives_after_the_revocation_is_no_state_of_the_case(after, happen, happenings):
    revoked = after("submitted", "issued", "orderer has it", "revoked")
    mail = happenings["contact has it"]
    late = mail.data.model_copy(update={"at": mail.data.at + timedelta(days=1)})
    shown = view(happen(replace(mail, data=late), revoked))
    assert shown.state is shown.history[-1].state is CaseState.REVOKED
    assert len(shown.deliveries) == 2
    assert shown.history == history(revoked)


def test_D3_an_exposed_key_overrides_a_weaker_reason_and_nothing_overrides_it(after):
    case = after("submitted", "issued", "to be revoked", "key exposed")
    assert case.revocation.reason == "key-exposed"
    assert after("to be revoked", case=case) is case
    assert after("revoked", "revoked for exposure", "revoked", case=case).revocation.reason == "key-exposed"


def test_D3_the_case_follows_an_exposed_key_once_its_crl_is_published_and_keeps_the_first_times(after, happenings):
    case = after("submitted", "issued", "to be revoked", "revoked", "key exposed")
    assert case.revocation.reason == "no-longer-needed", "I7: not before the CRL says so"
    first, later = case.revocation, timedelta(hours=9)
    exposed = happenings["revoked for exposure"]
    event = replace(exposed, data=exposed.data.model_copy(update={"requested_at": first.requested_at + later}))
    shown = handle_report(case, event, event.time).state.revocation
    assert shown == first.model_copy(update={"reason": "key-exposed"})


def test_E1_a_refused_revocation_is_answered(after, happen, happenings):
    decision = happen(happenings["not revoked"], after("submitted", "issued"))
    assert (view(decision).state, view(decision).answer.code) == (CaseState.ISSUED, "no-such-certificate")


def test_E1_an_answer_stands_until_a_later_request_is_granted(after, happen, happenings):
    requested, refused = happenings["to be revoked"].data.requested_at, happenings["not revoked"]
    for before, stands in ((timedelta(seconds=1), False), (timedelta(0), True)):
        case = handle_report(after("submitted", "issued"), refused, requested - before).state
        for name in ("to be revoked", "revoked"):
            shown = view(happen(happenings[name], case))
            assert (shown.answer is not None) is stands


def test_D1_a_refused_revocation_of_an_outsider_is_answered_to_the_outsider_alone(after, happen, happenings):
    case, own = after("submitted", "issued"), happenings["not revoked"]
    not_invited = own.data.model_copy(update={"in_case": False})
    of_another = own.data.model_copy(update={"account_id": "account-2"})
    for data, shown in ((not_invited, case), (of_another, case), (of_another, None), (own.data, None)):
        decision = happen(replace(own, data=data), shown)
        assert decision.state is shown
        (refused,) = decision.events
        assert isinstance(refused, EventRefused)
        assert refused.key() == f"account/{data.account_id}"
        assert (refused.event_id, refused.code) == (data.request_id, "no-such-certificate")


def test_E1_refused_issuing_is_a_refused_case_that_says_why(after, happen, happenings):
    decision = happen(happenings["not issued"], after("submitted"))
    assert (view(decision).state, view(decision).answer.code) == (CaseState.REFUSED, "no-signing")
