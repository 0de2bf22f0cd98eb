"""What is wrong with the settings is said in one go, a line for each, and what nothing reads is not passed over."""

import pytest
from commandline import run_process
from servicecert_launcher import free_port
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.environment import read_all, unknown_variables
from servicecert_worker.runtime.settings import ClusterSettings, WorkerSettings

WRONG = {
    "KAFKA_BOOTSTRAP_SERVERS": (
        "host:abc",
        "KAFKA_BOOTSTRAP_SERVERS: write it as host:port, several with commas between.",
    ),
    "SERVICECERT_BATCH": ("abc", 'SERVICECERT_BATCH is "abc": a whole number from 1 to 500 is needed.'),
    "SERVICECERT_SESSION_SECONDS": ("99", 'SERVICECERT_SESSION_SECONDS is "99": a number from 1 to 60 is needed.'),
    "SERVICECERT_STALL_SECONDS": ("0", 'SERVICECERT_STALL_SECONDS is "0": a number of at least 1 is needed.'),
    "SERVICECERT_AUDIT_SECONDS": (
        "0",
        'SERVICECERT_AUDIT_SECONDS is "0": a number above 0 and of at most 3,600 is needed.',
    ),
    "SERVICECERT_LOG_LEVEL": ("loud", 'SERVICECERT_LOG_LEVEL is "loud": one of debug, info, warning, error is needed.'),
    "SERVICECERT_INSECURE": ("all", 'SERVICECERT_INSECURE is "all": one of broker, database, rights is needed.'),
    "KAFKA_CA_FILE": ("/nowhere", 'KAFKA_CA_FILE is "/nowhere": a file is needed.'),
    "KAFKA_SASL_PASSWORD_FILE": ("s3cr3t", "KAFKA_SASL_PASSWORD_FILE is wrong: a file is needed."),
    "DATABASE_URL": (
        "notaurl",
        "DATABASE_URL is no address of PostgreSQL: write it as postgresql://user:password@host:port/database.",
    ),
}
MISSING = {"Set SERVICECERT_SERVICE_KEYS.", "Set SERVICECERT_SERVICE_KEY_FILE."}


def test_all_faults_are_said_at_once_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (value, _) in WRONG.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OperatorError) as refused:
        read_all(ClusterSettings, WorkerSettings)
    lines = str(refused.value).splitlines()
    assert sorted(lines) == sorted({line for _, line in WRONG.values()} | MISSING)


def test_a_process_says_each_line_under_its_name() -> None:
    done = run_process("run", "intake", environment={name: value for name, (value, _) in WRONG.items()})
    assert done.code == 78
    lines = done.err.splitlines()
    assert set(lines) == {f"intake: {line}" for line in {line for _, line in WRONG.values()} | MISSING}


def test_a_variable_that_nothing_reads_is_told_with_the_one_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICECERT_BACTH", "10")
    monkeypatch.setenv("SMTP_WHATEVER", "1")
    # Of another part, which reads the same file of variables.
    monkeypatch.setenv("SERVICECERT_CANARY_MAIL", "canary@authority.example")
    assert list(unknown_variables()) == [
        "SERVICECERT_BACTH is not known; is SERVICECERT_BATCH meant?",
        "SMTP_WHATEVER is not known: remove it.",
    ]


def test_a_misspelt_variable_is_named_beside_the_one_that_is_missing() -> None:
    misspelt = {
        "SERVICECERT_SERVICE_KEY": "keys",
        "DATABASE_URL": "postgresql://u@h/d",
        "KAFKA_BOOTSTRAP_SERVERS": "k:1",
    }
    assert run_process("run", "intake", environment=misspelt).err.splitlines() == [
        "intake: SERVICECERT_SERVICE_KEY is not known; is SERVICECERT_SERVICE_KEYS meant?",
        "intake: Set SERVICECERT_SERVICE_KEYS.",
        "intake: Set SERVICECERT_SERVICE_KEY_FILE.",
    ]


def test_a_command_warns_once_and_goes_on() -> None:
    place = f"127.0.0.1:{free_port()}"
    environment = {"SERVICECERT_BACTH": "10", "DATABASE_URL": f"postgresql://u@{place}/d"}
    warning, fault = run_process("db", "migrate", environment=environment).err.splitlines()
    assert warning == "SERVICECERT_BACTH is not known; is SERVICECERT_BATCH meant?"
    assert f"PostgreSQL does not answer at {place}" in fault
