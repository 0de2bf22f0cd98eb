"""An application judged by the rules, and what comes of it: returned, waiting for its request, refused, or accepted."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from servicecert_schemas.case import CaseState, GrantedDecision
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.decider import Decision

from .case import Case
from .deadlines import day_of, due_time
from .knowledge import Context
from .moves import moved, shown
from .rules import recheck
from .rules.application import Application, Grant
from .rules.judgement import is_final, judge
from .rules.renewal import renewal


def rechecked(case: Case, cause: UUID, context: Context) -> Decision[Case]:
    """The case judged anew by the registers of today, if it still waits for them (A11). Where the same is lacking as before, nobody is told."""
    if not recheck.waits(case.state, case.deficiencies):
        return Decision(case)
    decision = judged(case, cause, context.now, context)
    after = decision.state
    if after is not None and after.filed is case.filed and recheck.same(case.deficiencies, after.deficiencies):
        return Decision(replace(case, judged_by=after.judged_by), deadlines=decision.deadlines)
    return shown(decision)


def judged(case: Case, cause: UUID, as_of: datetime, context: Context) -> Decision[Case]:
    """The case after all rules were asked as of a day: its newest part was sent on it (A10), or it is rechecked (A11).

    `cause` is what it is judged for: a decision that is repeated has the same id.
    """
    known, now = context.known, context.now
    account = known.accounts.get(case.account_id)
    found = case.followed
    # What was found of another serial number says nothing of this one.
    earlier = found.earlier if found is not None and found.typed == case.form.follows else None
    key = None if case.csr is None else case.csr.key
    application = Application(
        case.form,
        case.attachments,
        case.csr,
        account_of=None if account is None else account.business_id,
        follows_unknown=bool(case.form.follows) and earlier is None,
        key=None if key is None else known.keys.get(key.sha256),
    )
    registers = known.registers
    outcome = judge(application, registers, context.profiles, day_of(as_of))
    if not isinstance(outcome, Grant):
        state = CaseState.REFUSED if is_final(outcome) else CaseState.RETURNED
        judged_by = registers.fingerprint if recheck.waits(state, outcome) else None
        # What was not found is looked up again with the next supplement (A10).
        kept = None if earlier is None else found
        return moved(case, state, now, deficiencies=outcome, judged_by=judged_by, renewal=None, followed=kept)
    case = replace(case, renewal=None if earlier is None else renewal(case.form.type, outcome, key, earlier))
    if case.csr is None or case.csr.der is None:
        return moved(case, CaseState.WAITING_FOR_CSR, now, deficiencies=())
    return _accepted(case, case.csr.der, outcome, cause, as_of, now)


def _accepted(case: Case, csr: str, grant: Grant, cause: UUID, complete: datetime, now: datetime) -> Decision[Case]:
    """The case with its decision and due time (A13), and all that issuing needs. The request goes on with it and is not kept here.

    An application is `complete` when its last part was sent. One that waited for a register was not correct before, so its clock starts on the day of
    the recheck that finds it so (A11).
    """
    decision = GrantedDecision(decision_id=uuid5(case.case_id, str(cause)), date=day_of(now))
    due = due_time(complete)
    form = case.form
    accepted = ApplicationAccepted(
        case_id=case.case_id,
        account_id=case.account_id,
        decision_id=decision.decision_id,
        type=form.type,
        subject=grant.subject,
        names=grant.names,
        usages=grant.usages,
        csr=csr,
        start_date=form.start_date,
        validity_days=form.validity_days,
        due=due,
        language=form.language,
        recipients=case.recipients,
    )
    return moved(
        case,
        CaseState.ACCEPTED,
        now,
        accepted,
        csr=None,
        deficiencies=(),
        due=due,
        decision=decision,
        complete_at=complete,
        told=None,
        grant=grant,
        key=None if case.csr is None else case.csr.key,
    )
