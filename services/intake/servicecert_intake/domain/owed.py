"""What a case owes to intake's topics: its view, and what the issuer has not answered yet (E1, I1). Pure."""

from collections.abc import Iterator

from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import AcceptedWithdrawn
from servicecert_worker.core.owed import Owed

from .case import Case
from .view import accepted_application, case_changed


def owed(case: Case) -> Iterator[Owed]:
    """Yield the case's view and the last warning of its clock; of an accepted one the application, or its withdrawal.

    Without the application the withdrawal is enough: the issuer signs nothing then (A15).
    """
    view = case_changed(case)
    yield Owed(view, max(entry.at for entry in view.history))
    if case.state is CaseState.ACCEPTED:
        accepted_at, application = case.entered[-1].at, accepted_application(case)
        if case.withdrawal is not None:
            yield Owed(AcceptedWithdrawn(case_id=case.case_id), accepted_at)
        elif application is not None:
            yield Owed(application, accepted_at)
    clock = case.clock
    if clock is not None and case.told is not None:
        yield Owed(clock.warning(case.case_id, case.told), clock.wakes(case.told))
