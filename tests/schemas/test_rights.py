"""What each role may do (A3, D2), and that the table names every act and every event of a customer."""

from uuid import UUID

import pytest
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved
from servicecert_schemas.application import ApplicationEvent, ApplicationWithdrawn, CsrAttached
from servicecert_schemas.event import Actor, Role
from servicecert_schemas.membership import MAY, Act, act_of, may, reasons_of
from servicecert_schemas.open_list import UnknownMember
from servicecert_schemas.revocation import RevocationReason, RevocationRequested

OUTSIDERS = (Role.TECHNICAL_PARTNER, Role.TECHNICAL_CONTACT)
ACTOR = Actor(user_id="user-1", account_id="account-1", assurance="high", role=Role.COLLEAGUE)
ABOUT = {"case_id": UUID(int=1), "actor": ACTOR}


def revocation(reason):
    return RevocationRequested(
        **ABOUT, request_id=UUID(int=2), serial_as_typed="0a", reason=reason, sent_at="2026-11-24T10:00:00Z"
    )


def test_A3_the_table_names_each_role_and_the_organisations_own_people_may_do_everything():
    assert set(MAY) == set(Role)
    assert MAY[Role.COLLEAGUE] == set(Act)
    assert MAY[Role.OPERATOR] == set()


@pytest.mark.parametrize("role", OUTSIDERS)
def test_A3_who_holds_the_key_attaches_the_request_and_reports_that_the_key_is_exposed(role):
    assert may(role, CsrAttached(**ABOUT, csr="sent"))
    assert not may(role, ApplicationWithdrawn(**ABOUT))
    assert reasons_of(role) == (RevocationReason.KEY_EXPOSED,)
    assert [reason for reason in RevocationReason if may(role, revocation(reason))] == [RevocationReason.KEY_EXPOSED]


def test_A3_every_event_of_an_application_is_an_act_of_the_table():
    acts = {act_of(kind.model_construct(**ABOUT)) for kind in ApplicationEvent.__subclasses__()}
    assert acts == set(Act) - {Act.REVOKE_EXPOSED, Act.REVOKE_OTHERWISE, Act.INVITE}


@pytest.mark.parametrize("kind", [AccountMemberAdded, AccountMemberRemoved])
def test_A2_only_the_organisations_own_people_invite_and_remove(kind):
    event = kind.model_construct(actor=ACTOR)
    assert [role for role in Role if may(role, event)] == [Role.COLLEAGUE]
    as_operator = ACTOR.model_copy(update={"role": Role.OPERATOR})
    assert not may(Role.COLLEAGUE, kind.model_construct(actor=as_operator))


def test_D2_the_authority_keeps_one_reason_for_itself():
    own = RevocationReason.PRIVILEGE_WITHDRAWN
    assert set(reasons_of(Role.COLLEAGUE)) == set(RevocationReason) - {own}
    assert [role for role in Role if may(role, revocation(own))] == []


def test_D2_an_unknown_role_gives_no_reason_and_an_unknown_reason_is_for_those_who_may_give_every_one():
    unknown = UnknownMember("lost")
    assert not any(may(UnknownMember("auditor"), revocation(reason)) for reason in (*RevocationReason, unknown))
    assert [role for role in Role if may(role, revocation(unknown))] == [Role.COLLEAGUE]
