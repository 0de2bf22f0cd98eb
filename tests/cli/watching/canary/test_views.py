"""What the canary makes of its case, stage by stage."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from cli.watching.canary.stand import NOW, Issuance, answer, shown, view
from servicecert_cli.watching.canary.domain import views
from servicecert_cli.watching.canary.domain.stages import NotYet, Stage, Step, Stuck
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.mail import MailKind

HOUR = timedelta(hours=1)
ACCEPTED = ("submitted", "accepted")
ISSUED = (*ACCEPTED, "issued")
REQUEST = UUID(int=5)
REQUESTED = {"state": "requested", "reason": "no-longer-needed", "requested_at": NOW}
TEXTS = {"sv": "a", "fi": "b", "en": "c"}


def returned(*codes: str) -> CaseChanged:
    lacks = [{"code": code, "field": "unit_long_name", "texts": TEXTS} for code in codes]
    return view("submitted", "returned", deficiencies=lacks)


@pytest.fixture
def certified(issuance: Issuance):
    """Return the view of a case with a certificate."""

    def certified(*states: str, **about) -> CaseChanged:
        return view(*(states or ISSUED), certificate=shown(issuance.issued()), **about)

    return certified


def test_an_application_is_accepted_or_says_why_not(certified) -> None:
    for case in (view(*ACCEPTED), certified(), certified(*ISSUED, "revoked")):
        assert views.accepted(case) is case
    for case, sentence in (
        (None, "intake has published no view"),
        (view("submitted"), "the case is submitted: see the log of intake"),
    ):
        with pytest.raises(NotYet, match=sentence):
            views.accepted(case)
    for case, sentence in (
        (returned("unit-not-found"), "the registers have no organisation 9900099-0 with the unit “Varmenne"),
        (returned("email-wrong", "dns-name-form"), r"returned \(dns-name-form, email-wrong\)"),
        (view("submitted", "refused", answer=answer("not-a-member")), r"refused \(not-a-member\)"),
        (view("submitted", "withdrawn"), r"withdrawn \(no code\)"),
    ):
        with pytest.raises(Stuck, match=sentence):
            views.accepted(case)


def test_a_case_has_a_certificate_or_says_why_not(certified) -> None:
    assert views.certified(certified()).issuer == "test-ec"
    with pytest.raises(NotYet, match="the case is accepted: see that the issuer runs"):
        views.certified(view(*ACCEPTED))
    with pytest.raises(NotYet, match=r"accepted \(stopped\)"):
        views.certified(view(*ACCEPTED, answer=answer("stopped")))
    with pytest.raises(Stuck, match=r"the issuer did not sign: the case is refused \(void\)"):
        views.certified(view(*ACCEPTED, "refused", answer=answer("void")))


@pytest.mark.parametrize("kind", [MailKind.CERTIFICATE_ISSUED, MailKind.CERTIFICATE_REVOKED])
def test_C3_a_mail_is_handed_over_or_says_why_not(kind: MailKind) -> None:
    def case(*outcomes: str | None, of: MailKind = kind) -> CaseChanged:
        about = {"kind": of, "recipient": "orderer", "at": NOW}
        return view(*ISSUED, deliveries=[{**about, "delivered": not each, "problem": each} for each in outcomes])

    views.mailed(case(None), kind)
    for missing in (case(), case(None, of=MailKind.CSR_INVITED)):
        with pytest.raises(NotYet, match=f"the mail {kind} is not handed over"):
            views.mailed(missing, kind)
    with pytest.raises(Stuck, match=f"the mail {kind} is bounced, refused"):
        views.mailed(case(None, "refused", "bounced"), kind)


def test_I7_a_case_is_revoked_or_says_why_not(certified) -> None:
    views.revoked(certified(revocation={**REQUESTED, "state": "revoked", "revoked_at": NOW}), REQUEST)
    with pytest.raises(NotYet, match="the revocation is registered"):
        views.revoked(certified(revocation=REQUESTED), REQUEST)
    for other in (None, answer("too-late-issued")):
        with pytest.raises(NotYet, match="the revoker has not answered"):
            views.revoked(certified(answer=other), REQUEST)
    with pytest.raises(Stuck, match=r"the revocation is refused \(no-such-certificate\)"):
        views.revoked(certified(answer=answer("no-such-certificate", REQUEST)), REQUEST)


def test_left_open_are_its_own_cases_and_old_ones_that_have_not_ended(certified) -> None:
    own, young = view(*ACCEPTED, case_id=uuid4()), view(*ACCEPTED, case_id=uuid4())
    old = certified(at=NOW - HOUR, case_id=uuid4())
    ended = view("submitted", "withdrawn", at=NOW - HOUR, case_id=uuid4())
    known, mine = [own, young, old, ended], frozenset({own.case_id, ended.case_id})
    assert views.left_open(known, NOW, HOUR / 2, mine) == [old, own]
    # Its certificate has expired.
    later = NOW + 30 * HOUR
    assert views.left_open([old], later, HOUR, mine) == []
    assert [views.has_ended(each, NOW) for each in known] == [False, False, False, True]


def test_with_ten_cases_left_no_further_one_is_opened_and_the_stage_is_that_of_the_oldest(certified) -> None:
    for oldest, stage in (
        (view("submitted", "returned"), Stage.ACCEPTED),
        (view(*ACCEPTED), Stage.ISSUED),
        (certified(revocation=REQUESTED), Stage.REVOKED),
    ):
        left = [oldest, *(view(*ACCEPTED) for _ in range(8))]
        views.require_few(left)
        with pytest.raises(Stuck, match="10 cases of earlier runs have not ended, the first ca4a4900-") as stuck:
            views.require_few([*left, view(*ACCEPTED)])
        assert stuck.value.stage is stage


def test_a_step_is_a_line() -> None:
    assert Step(Stage.OCSP_GOOD, 0.25, "it says good").line() == "ocsp-good: it says good (0.2 s)"
    failed = Step(Stage.MAILED, 120.04, "no mail", passed=False)
    assert failed.line() == "mailed: FAILED: no mail (120.0 s)"
