"""What the tests of judgements share."""

from servicecert_cli.watching.conditions import Severity
from servicecert_cli.watching.doctor.domain.check import result
from servicecert_cli.watching.doctor.examine import CATALOGUE, LOOKS

OK, SKIPPED, UNKNOWN, WARNING, CRITICAL = Severity


def judged(name, facts):
    """Return the check of a condition for these facts, as the doctor makes it."""
    return result(CATALOGUE[name], LOOKS[name].judge(facts))


def holds(check, severity, words=""):
    """Assert that a result has this severity, and says what, why and, unless all is well, what to do."""
    assert (check.severity, words in check.finding) == (severity, True), check
    assert check.why
    assert check.remedy if severity in (WARNING, CRITICAL) else not check.remedy
