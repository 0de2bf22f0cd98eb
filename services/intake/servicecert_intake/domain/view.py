"""The customer's view of a case (E1, E4)."""

from servicecert_schemas.case import AppliedFor, CaseChanged
from servicecert_schemas.deadline import DeadlineKind

from .case import Case, history
from .clocks import clock_of
from .next_steps import next_step

MOST_TYPED_CHARACTERS = 20_000
"""How many characters of typed names a view repeats: a hundred of the longest, so that every case fits an event."""


def case_changed(case: Case) -> CaseChanged:
    """The whole view."""
    state, clock = case.state, clock_of(case)
    return CaseChanged(
        case_id=case.case_id,
        account_id=case.account_id,
        version=case.version,
        state=state,
        type=case.form.type,
        language=case.form.language,
        applied_for=_applied_for(case),
        deficiencies=case.deficiencies,
        next_step=next_step(case, state),
        due=case.due,
        decision=case.decision,
        certificate=case.certificate,
        revocation=case.revocation,
        deliveries=case.deliveries,
        answer=case.answer,
        history=history(case),
        recipients=case.recipients,
        lapses=clock.until if clock is not None and clock.kind is DeadlineKind.COMPLETION else None,
        renewal=case.renewal,
    )


def _applied_for(case: Case) -> AppliedFor:
    form = case.form
    dns = _first(form.names.dns, MOST_TYPED_CHARACTERS)
    system = form.information_system
    return AppliedFor(
        business_id=form.applicant.business_id,
        unit_long_name=form.unit_long_name,
        dns=dns,
        ip=_first(form.names.ip, MOST_TYPED_CHARACTERS - sum(map(len, dns))),
        usages=form.usages,
        information_system=None if system is None else system.name,
        customer_reference=form.customer_reference,
    )


def _first(names: tuple[str, ...], characters: int) -> tuple[str, ...]:
    """The names from the first on that fit into so many characters."""
    shown: list[str] = []
    for name in names:
        characters -= len(name)
        if characters < 0:
            break
        shown.append(name)
    return tuple(shown)
