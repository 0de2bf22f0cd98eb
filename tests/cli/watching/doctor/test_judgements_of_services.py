"""From facts to a finding: the audit, this machine and its environment."""

from datetime import timedelta

from cli.watching.doctor.judging import CRITICAL, OK, SKIPPED, WARNING, holds, judged
from servicecert_schemas.topics import SERVICES


def test_checkpoints_follow_each_other():
    holds(judged("AuditCheckpoints", (3, [])), OK, "The newest 3 follow each other.")
    wrong = (2, ["revoker: checkpoint 2: it does not follow"])
    holds(judged("AuditCheckpoints", wrong), CRITICAL, "revoker: checkpoint 2: it does not follow.")
    assert judged("AuditCheckpoints", (0, [])).severity is SKIPPED


def test_variables_that_nothing_reads():
    holds(judged("Variables", []), OK)
    unknown = "SERVICECERT_BACTH is not known; is SERVICECERT_BATCH meant?"
    holds(judged("Variables", [unknown]), WARNING, unknown)


def test_settings_and_what_is_tolerated():
    holds(judged("Settings", []), OK)
    holds(judged("Settings", ["SERVICECERT_BATCH: too small"]), CRITICAL, "SERVICECERT_BATCH: too small.")
    holds(judged("Insecure", ("", False)), OK)
    holds(judged("Insecure", ("", True)), WARNING, "in the clear")
    holds(judged("Insecure", ("broker", False)), WARNING, "SERVICECERT_INSECURE=broker")
    holds(judged("Trials", []), OK)
    holds(judged("Trials", ["SERVICECERT_CLOCK_AHEAD=P1D"]), CRITICAL, "SERVICECERT_CLOCK_AHEAD=P1D is set.")


def test_files_of_secrets_and_public_keys():
    holds(judged("SecretFiles", (2, [])), OK)
    holds(judged("SecretFiles", (2, ["A_FILE: others can read it"])), CRITICAL, "A_FILE")
    assert judged("SecretFiles", (0, [])).severity is SKIPPED
    left = dict.fromkeys(SERVICES, timedelta(days=31))
    holds(judged("ServiceKeys", left), OK)
    holds(judged("ServiceKeys", dict.fromkeys(SERVICES[1:], timedelta(days=31))), CRITICAL, "key of intake,")
    holds(judged("ServiceKeys", {**left, "issuer": timedelta(seconds=-1)}), CRITICAL, "key of issuer, or it has")
    holds(judged("ServiceKeys", {**left, "issuer": timedelta(days=29)}), WARNING, "issuer in 29 days")
