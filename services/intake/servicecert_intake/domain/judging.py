"""Judge an application by the rules: it is returned, waits for its request, is refused, or is accepted."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from servicecert_schemas.canary import is_canary
from servicecert_schemas.case import CaseState, GrantedDecision
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.core.decider import Decision

from .case import Case, Forwarded
from .deadlines import day_of, due_time
from .knowledge import Context
from .moves import transition, with_view
from .rules import reassessment
from .rules.application import Application, Grant
from .rules.intermediary import with_canonical_mark
from .rules.judgement import is_final, judge
from .rules.renewal import renewal


def reassess(case: Case, cause: UUID, context: Context) -> Decision[Case]:
    """Judge a case again that waits for the registers (A11). Publish nothing where the deficiencies are the same."""
    if not reassessment.waits(case.state, case.deficiencies):
        return Decision(case)
    decision = judge_case(case, cause, context.now, context)
    after = decision.state
    if after is not None and after.filed is case.filed and reassessment.same(case.deficiencies, after.deficiencies):
        return Decision(replace(case, judged_by=after.judged_by), deadlines=decision.deadlines)
    return with_view(decision)


def judge_case(case: Case, cause: UUID, as_of: datetime, context: Context) -> Decision[Case]:
    """Judge the case by all rules as of when its newest part was sent (A10), or of the reassessment (A11).

    The decision's id follows from `cause`, so that a repeated decision has the same id.
    """
    known, now = context.known, context.now
    registers, day = known.registers, day_of(as_of)
    if registers.is_intermediary(case.form.applicant.business_id, day):
        case = replace(case, form=with_canonical_mark(case.form))
    account = known.accounts.get(case.account_id)
    followed = case.followed
    # A lookup of another serial number does not count.
    earlier = followed.earlier if followed is not None and followed.typed == case.form.follows else None
    key = None if case.csr is None else case.csr.key
    application = Application(
        case.form,
        case.attachments,
        case.csr,
        sent_at=case.form_sent_at or case.received_at,
        account_of=None if account is None else account.business_id,
        account_opened_at=None if account is None else account.opened_at,
        follows_unknown=bool(case.form.follows) and earlier is None,
        key=None if key is None else known.keys.get(key.sha256),
        of_canary=is_canary(str(case.case_id)),
    )
    outcome = judge(application, registers, context.profiles, as_of)
    if not isinstance(outcome, Grant):
        state = CaseState.REFUSED if is_final(outcome) else CaseState.RETURNED
        judged_by = registers.fingerprint if reassessment.waits(state, outcome) else None
        # A lookup without a result is repeated with the next supplement (A10).
        kept = None if earlier is None else followed
        return transition(case, state, now, deficiencies=outcome, judged_by=judged_by, renewal=None, followed=kept)
    case = replace(case, renewal=None if earlier is None else renewal(case.form.type, outcome, key, earlier))
    if case.csr is None or case.csr.der is None:
        return transition(case, CaseState.WAITING_FOR_CSR, now, deficiencies=())
    version = context.profiles[case.form.type].version
    return _accept(case, case.csr.der, outcome, cause, as_of, now, version)


def _accept(
    case: Case, csr: str, grant: Grant, cause: UUID, complete: datetime, now: datetime, profile_version: int
) -> Decision[Case]:
    """Accept the case: set decision and due time (A13), and publish all that issuing needs.

    `complete` is when the last part was sent, or when a case that waited for the registers was judged again (A11).
    """
    decision = GrantedDecision(decision_id=uuid5(case.case_id, str(cause)), date=day_of(now))
    accepted = transition(
        case,
        CaseState.ACCEPTED,
        now,
        csr=None,
        deficiencies=(),
        due=due_time(complete),
        decision=decision,
        complete_at=complete,
        told=None,
        grant=grant,
        key=None if case.csr is None else case.csr.key,
        forwarded=Forwarded(csr, profile_version),
    )
    assert accepted.state is not None
    application = accepted_application(accepted.state)
    return replace(accepted, events=() if application is None else (application,))


def accepted_application(case: Case) -> ApplicationAccepted | None:
    """Return what issuing needs of an accepted case, the same each time; None once the issuer has answered."""
    form, forwarded = case.form, case.forwarded
    if forwarded is None or case.decision is None or case.grant is None or case.due is None:
        return None
    return ApplicationAccepted(
        case_id=case.case_id,
        account_id=case.account_id,
        decision_id=case.decision.decision_id,
        type=form.type,
        subject=case.grant.subject,
        names=case.grant.names,
        usages=case.grant.usages,
        csr=forwarded.csr,
        start_date=form.start_date,
        validity_days=form.validity_days,
        due=case.due,
        language=form.language,
        recipients=case.recipients,
        profile_version=forwarded.profile_version,
    )
