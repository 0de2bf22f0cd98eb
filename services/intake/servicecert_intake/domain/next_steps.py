"""Who acts next in a case, and the texts that say what to do."""

from servicecert_schemas.case import NEXT_ACTORS, CaseState, NextActor
from servicecert_schemas.values import Texts
from servicecert_worker.core.texts import read_texts

from .case import Case, is_missed, is_shortened, is_stopped, mails_ended

NEXT_STEPS = read_texts(
    "servicecert_intake.domain",
    "next-steps",
    (
        *CaseState,
        "returned-without-request",
        "undelivered",
        "correct-the-address",
        "address-missed",
        "shortened",
        "stopped",
    ),
)
"""The texts of the next step, by state or by a situation within one."""

_SUPPLEMENTED = (CaseState.RETURNED, CaseState.WAITING_FOR_CSR)
_WITH_THE_SERVICE = (CaseState.ACCEPTED, CaseState.ISSUED, CaseState.DELIVERED)


def next_step(case: Case, state: CaseState) -> Texts:
    """Return the next step of a case in `state`.

    It says so where a certificate is shorter than was accepted (B1), and what to do where a mail did not arrive (C3).
    """
    undelivered = _is_undelivered(case, state)
    step = NEXT_STEPS["undelivered"] if undelivered else _step(case, state)
    if is_shortened(case) and state in _WITH_THE_SERVICE:
        step = _both(step, NEXT_STEPS["shortened"])
    if undelivered or not is_missed(case):
        return step
    if state in _SUPPLEMENTED:
        return _both(step, NEXT_STEPS["correct-the-address"])
    return _both(step, NEXT_STEPS["address-missed"]) if state in _WITH_THE_SERVICE else step


def acts_next(case: Case, state: CaseState) -> NextActor:
    """Return who acts next in a case in `state`: the applicant, if a mail with the certificate did not arrive (C3)."""
    if _is_undelivered(case, state) or (state is CaseState.DELIVERED and is_missed(case)):
        return NextActor.APPLICANT
    return NEXT_ACTORS[state]


def _is_undelivered(case: Case, state: CaseState) -> bool:
    return state is CaseState.ISSUED and mails_ended(case)


def _step(case: Case, state: CaseState) -> Texts:
    if state is CaseState.RETURNED and case.csr is None:
        return NEXT_STEPS["returned-without-request"]
    if state is CaseState.ACCEPTED and is_stopped(case):
        return NEXT_STEPS["stopped"]
    return NEXT_STEPS[state]


def _both(first: Texts, second: Texts) -> Texts:
    return Texts(sv=f"{first.sv} {second.sv}", fi=f"{first.fi} {second.fi}", en=f"{first.en} {second.en}")
