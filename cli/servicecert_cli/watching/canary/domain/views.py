"""Verdicts on the canary's case as the e-service sees it (topic `cases`), and on those that were left."""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime, timedelta
from uuid import UUID

from servicecert_schemas.case import CaseCertificate, CaseChanged, CaseState, RevocationState
from servicecert_schemas.mail import MailKind

from .stages import NotYet, Stage, Stuck

MOST_LEFT = 10
"""With so many cases of earlier runs that have not ended, no further one is opened."""

_REGISTERS = frozenset({"applicant-not-registered", "unit-not-found", "unit-of-another-organisation"})
"""The deficiencies of an organisation that the registers do not have."""

_UNANSWERED = (CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.RETURNED)
ENDS = (CaseState.REVOKED, CaseState.WITHDRAWN, CaseState.REFUSED, CaseState.LAPSED)


def accepted(view: CaseChanged | None) -> CaseChanged:
    """Return the view of an accepted application. Raises NotYet and Stuck."""
    if view is None:
        raise NotYet("intake has published no view of the case: see that it runs, with `servicecert lag`")
    if any(entry.state is CaseState.ACCEPTED for entry in view.history):
        return view
    codes = {each.code for each in view.deficiencies}
    if codes & _REGISTERS:
        raise Stuck(
            f"the registers have no organisation {view.applied_for.business_id} with the unit"
            f" “{view.applied_for.unit_long_name}”: add the canary's line to the organisations and load them"
            " (docs/canary.md), or set SERVICECERT_CANARY_BUSINESS_ID and SERVICECERT_CANARY_UNIT to those"
            " of an organisation that they have"
        )
    if view.state in (CaseState.RETURNED, CaseState.WAITING_FOR_CSR, *ENDS):
        codes |= set() if view.answer is None else {view.answer.code}
        told = ", ".join(sorted(codes)) or "no code"
        raise Stuck(f"the application is {view.state} ({told}): intake's texts say what each code means")
    raise NotYet(f"the case is {view.state}: see the log of intake")


def certified(view: CaseChanged) -> CaseCertificate:
    """Return the certificate of a case that has one. Raises NotYet and Stuck."""
    if view.certificate is not None:
        return view.certificate
    code = "" if view.answer is None else f" ({view.answer.code})"
    if view.state in ENDS:
        raise Stuck(f"the issuer did not sign: the case is {view.state}{code}; see `servicecert ca status`")
    raise NotYet(f"the case is {view.state}{code}: see that the issuer runs, with `servicecert lag` and `ca status`")


def mailed(view: CaseChanged, kind: MailKind) -> None:
    """Return once a mail of this kind is handed over to each recipient who has an outcome. Raises NotYet and Stuck."""
    outcomes = [each for each in view.deliveries if each.kind is kind]
    if not outcomes:
        raise NotYet(f"the mail {kind} is not handed over: see that the notifier runs, and its mail server answers")
    if problems := sorted({str(each.problem) for each in outcomes if not each.delivered}):
        raise Stuck(f"the mail {kind} is {', '.join(problems)}: correct SERVICECERT_CANARY_MAIL, or the mail server")


def revoked(view: CaseChanged, request_id: UUID) -> None:
    """Return once the case is revoked. Raises NotYet, and Stuck where this request was refused."""
    if view.revocation is not None and view.revocation.state is RevocationState.REVOKED:
        return
    if view.answer is not None and view.answer.event_id == request_id:
        raise Stuck(f"the revocation is refused ({view.answer.code}): see the log of the revoker")
    if view.revocation is None:
        raise NotYet("the revoker has not answered the request: see that it runs, with `servicecert lag`")
    raise NotYet("the revocation is registered, and no published CRL and OCSP say so: see the log of the revoker")


def require_few(left: Sequence[CaseChanged]) -> None:
    """Raise Stuck, at the stage of the oldest, if so many cases have not ended that no further one may be opened."""
    if len(left) >= MOST_LEFT:
        stage = Stage.ACCEPTED if left[0].state in _UNANSWERED else Stage.ISSUED
        raise Stuck(
            f"{len(left)} cases of earlier runs have not ended, the first {left[0].case_id}: no further one is opened"
            " until they have; see `servicecert lag` and `servicecert parked`",
            stage if left[0].certificate is None else Stage.REVOKED,
        )


def has_ended(view: CaseChanged, now: datetime) -> bool:
    """Return whether a case leaves nothing valid, and nothing that could become so."""
    expired = view.certificate is not None and view.certificate.not_after < now
    return expired or view.state in ENDS


def left_open(views: Iterable[CaseChanged], now: datetime, age: timedelta, own: Set[UUID]) -> list[CaseChanged]:
    """Return the cases that runs have left and that have not ended, the oldest first.

    Those are its `own`, and another process's if they are older than `age`: no run works on them any more.
    """

    def is_left(view: CaseChanged) -> bool:
        is_nobodys = view.case_id in own or view.history[0].at < now - age
        return is_nobodys and not has_ended(view, now)

    return sorted(filter(is_left, views), key=lambda view: view.history[0].at)
