"""What the tests of judgements share."""

from servicecert_cli.doctor.domain.check import Severity

OK, SKIPPED, UNKNOWN, WARNING, CRITICAL = Severity


def holds(check, severity, words=""):
    """Assert that a result has this severity, and says what, why and, unless all is well, what to do."""
    assert (check.severity, words in check.finding) == (severity, True), check
    assert check.why
    assert check.remedy if severity in (WARNING, CRITICAL) else not check.remedy
