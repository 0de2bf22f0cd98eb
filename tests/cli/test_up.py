"""`servicecert up` without a terminal."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from commandline import run_process, until, worker_of


def variables(path):
    if not path.exists():
        return {}
    words = (shlex.split(line) for line in path.read_text().splitlines())
    return {name: value for _, word in words for name, _, value in (word.partition("="),) if name != "PATH"}


@pytest.fixture
def up(request, tmp_path):
    """Everything running, with one worker of each service; its output is in the file `output`. Takes more options."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
    }
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "servicecert_cli",
                "up",
                "--folder",
                str(tmp_path / "up"),
                *getattr(request, "param", ()),
            ],
            env={**environment, "COLUMNS": "80"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def pasted_command_gives_a_certificate(output, folder):
    """Runs the command that `up` printed, as it stands there, in another folder and a shell that knows nothing."""
    (line,) = [line for line in output.splitlines() if "servicecert example" in line]
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "COLUMNS": "200"}
    done = subprocess.run(line, shell=True, cwd=folder, env=bare, capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stderr) == (0, "")
    found = {
        label: folder / path for label, path in re.findall(r"^    (certificate|key|mail) +(\S+)$", done.stdout, re.M)
    }
    key, certified = (
        subprocess.check_output(["openssl", *command, "-in", found[label]])
        for label, command in (("key", ("pkey", "-pubout")), ("certificate", ("x509", "-noout", "-pubkey")))
    )
    assert key == certified
    assert re.findall(r"  (submitted|accepted|issued|delivered)\b", done.stdout) == [
        "submitted",
        "accepted",
        "issued",
        "delivered",
    ]
    assert found["key"].stat().st_mode & 0o777 == 0o600
    assert found["mail"].read_bytes().count(b"filename=") >= 3


def restarts_one_after_another(up, output):
    """Sends SIGHUP twice: each process is restarted once, in order."""
    for expected in ("Rolling restart of 7 processes begins.", "A rolling restart is in progress"):
        up.send_signal(signal.SIGHUP)
        until(lambda: expected in output.read_text(), up)  # noqa: B023  -- called at once
    until(lambda: "Rolling restart finished after" in output.read_text(), up)
    names = re.findall(r"^   (\S+) was restarted and works again after [\d.]+ s\.$", output.read_text(), re.M)
    assert names == ["intake", "issuer", "revoker", "notifier", "ocsp", "lag", "canary"]
    assert output.read_text().count("Rolling restart of") == 1


@pytest.mark.long
def test_it_is_used_from_another_terminal_heals_and_ends_at_once(up, tmp_path):
    output = tmp_path / "output"
    environment = until(lambda: variables(tmp_path / "up" / "environment"), up)
    assert (tmp_path / "up" / "environment").stat().st_mode & 0o777 == 0o600
    assert {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "ISSUER_DATABASE_URL"} <= set(environment)
    assert run_process("topics", "list", environment=environment).code == 0
    assert run_process("lag", environment=environment).code == 0
    assert (
        run_process("parked", "list", "--service", "issuer", environment=environment).out == "0 records are parked.\n"
    )
    pasted_command_gives_a_certificate(output.read_text(), tmp_path)
    first = until(lambda: worker_of("notifier", tmp_path), up)
    os.kill(first, signal.SIGKILL)
    until(lambda: "notifier was ended by signal 9 and restarts at once." in output.read_text(), up)
    until(lambda: "service notifier, workers 1/1, restarts 1" in output.read_text(), up)
    restarts_one_after_another(up, output)
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0
    assert "Everything is stopped." in output.read_text()
    assert not (tmp_path / "up" / "environment").exists()
    assert worker_of("notifier", tmp_path) is None


@pytest.mark.long
@pytest.mark.parametrize("up", [("--secure",)], indirect=True)
def test_f4_with_secure_each_terminal_is_a_user_with_its_own_rights(up, tmp_path):
    output, folder = tmp_path / "output", tmp_path / "up"
    until(lambda: "servicecert example" in output.read_text(), up)
    e_service, operator = variables(folder / "environment"), folder / "as" / "operator"
    for name, value in e_service.items():
        if name.endswith("DATABASE_URL"):
            assert "sslmode=verify-full" in value
    pasted_command_gives_a_certificate(output.read_text(), tmp_path)

    def as_operator(*words):
        command = f". {shlex.quote(str(operator))} && {shlex.join(['servicecert', *words])}"
        bare = {"PATH": "/usr/bin:/bin", "COLUMNS": "200"}
        return subprocess.run(command, shell=True, env=bare, capture_output=True, text=True, timeout=90)

    lag = as_operator("lag")
    assert (lag.returncode, lag.stderr) == (0, "")
    refused = as_operator("topics", "create")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0
    assert not operator.exists()
