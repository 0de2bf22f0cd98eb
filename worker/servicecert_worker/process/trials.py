"""What only trials may use: it is refused where keys of a production CA are open."""

from ..core.crash_points import ARMED
from ..core.faults import OperatorError
from ..runtime.settings import ProcessSettings


def refuse_trials(settings: ProcessSettings) -> None:
    """Raise OperatorError if the clock runs ahead or the process is to be killed at a step."""
    for variable, is_set in (("SERVICECERT_CLOCK_AHEAD", settings.clock_ahead), ("SERVICECERT_DIE_AT", ARMED)):
        if is_set:
            raise OperatorError(
                f"{variable} is for trials, and this CA is none: remove it, or use a CA made by `servicecert ca init`."
            )
