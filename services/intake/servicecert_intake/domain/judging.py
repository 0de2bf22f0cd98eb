"""An application judged by the rules, and what comes of it: returned, waiting for its request, refused, or accepted."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid5

from servicecert_pki.profiles import Profiles
from servicecert_schemas.case import CaseState, GrantedDecision
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.decider import Decision, Due, Event

from .case import Case
from .deadlines import day_of, due_time
from .knowledge import Knowledge
from .moves import moved
from .rules import recheck
from .rules.application import Application, Grant
from .rules.judgement import is_final, judge
from .rules.renewal import renewal


def rechecked(profiles: Profiles, case: Case, happened: Due, known: Knowledge, now: datetime) -> Decision[Case]:
    """The case judged anew by the registers of today, if it still waits for them (A11). Where the same is lacking as before, nobody is told."""
    if not recheck.waits(case.state, case.deficiencies):
        return Decision(case)
    decision = checked(profiles, case, happened, known, now, now)
    after = decision.state
    if after is not None and after.filed is case.filed and recheck.same(case.deficiencies, after.deficiencies):
        return Decision(replace(case, judged_by=after.judged_by), deadlines=decision.deadlines)
    return decision


def checked(
    profiles: Profiles, case: Case, happened: Event | Due, known: Knowledge, now: datetime, as_of: datetime
) -> Decision[Case]:
    """The case after all rules were asked, as of a moment's day: that on which its newest part was sent (A10), or that of a recheck (A11)."""
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
    judged = judge(application, registers, profiles, day_of(as_of))
    if not isinstance(judged, Grant):
        state = CaseState.REFUSED if is_final(judged) else CaseState.RETURNED
        judged_by = registers.fingerprint if recheck.waits(state, judged) else None
        # What was not found is looked up again with the next supplement (A10).
        kept = None if earlier is None else found
        return moved(case, state, now, deficiencies=judged, judged_by=judged_by, renewal=None, followed=kept)
    noted = None if earlier is None else renewal(case.form.type, judged, key, earlier)
    shown = case if noted == case.renewal else replace(case, renewal=noted)
    if case.csr is None or case.csr.der is None:
        return moved(shown, CaseState.WAITING_FOR_CSR, now, deficiencies=())
    return _accepted(shown, case.csr.der, judged, happened, now, as_of)


def _accepted(
    case: Case, csr: str, grant: Grant, happened: Event | Due, now: datetime, complete: datetime
) -> Decision[Case]:
    """The case with its decision and due time (A13), and all that issuing needs. The request goes on with it and is not kept here.

    An application is `complete` when its last part was sent. One that waited for a register was not correct before, so its clock starts on the day of
    the recheck that finds it so (A11).
    """
    decision = GrantedDecision(decision_id=uuid5(case.case_id, str(happened.id)), date=day_of(now))
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
