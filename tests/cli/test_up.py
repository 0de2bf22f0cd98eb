"""`servicecert up` without a terminal."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from commandline import until, worker_of


def variables(path):
    if not path.exists():
        return {}
    words = (shlex.split(line) for line in path.read_text().splitlines())
    exported = [word for kind, *word in words if kind == "export"]
    return {name: value for (word,) in exported for name, _, value in (word.partition("="),) if name != "PATH"}


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


def pasted(text, folder):
    """Runs a command in a folder and a shell that knows nothing."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "COLUMNS": "200"}
    return subprocess.run(text, shell=True, cwd=folder, env=bare, capture_output=True, text=True, timeout=90)


def pasted_command_gives_a_certificate(output, folder):
    """Runs the command that `up` printed, as it stands there, in another folder and a shell that knows nothing."""
    (line,) = [line for line in output.splitlines() if "servicecert example" in line]
    done = pasted(line, folder)
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


def as_user(user, folder, *words):
    """Runs `servicecert` as a user of the broker: its exit code, output and errors."""
    login = shlex.quote(str(folder / "up" / "as" / user))
    done = pasted(f". {login} && {shlex.join(['servicecert', *words])}", folder)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.long
def test_f4_each_terminal_is_a_user_with_its_own_rights_and_what_dies_is_started_again(up, tmp_path):
    output, folder = tmp_path / "output", tmp_path / "up"
    until(lambda: "servicecert example" in output.read_text(), up)
    assert "KAFKA_SASL_PASSWORD_FILE" in variables(folder / "environment")
    environment = variables(folder / "as" / "operator")
    assert {"KAFKA_SASL_PASSWORD_FILE", "DATABASE_URL", "ISSUER_DATABASE_URL"} <= set(environment)
    urls = {name: value for name, value in environment.items() if name.endswith("DATABASE_URL")}
    assert [name for name, url in urls.items() if "sslmode=verify-full" not in url] == []
    assert as_user("operator", tmp_path, "topics", "list")[0] == 0
    assert as_user("operator", tmp_path, "lag")[0] == 0
    listed = as_user("operator", tmp_path, "parked", "list", "--service", "issuer")
    assert listed == (0, "0 records are parked.\n", "")
    assert as_user("operator", tmp_path, "topics", "create")[0] != 0
    pasted_command_gives_a_certificate(output.read_text(), tmp_path)
    first = until(lambda: worker_of("notifier", tmp_path), up)
    os.kill(first, signal.SIGKILL)
    until(lambda: "notifier was ended by signal 9 and restarts at once." in output.read_text(), up)
    until(lambda: "service notifier, workers 1/1, restarts 1" in output.read_text(), up)
    assert folder.stat().st_mode & 0o777 == 0o700
    written = [path for name in ("environment", "as/*", "mail/*", "logs/*") for path in folder.glob(name)]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0
    assert "Everything is stopped." in output.read_text()
    assert not (folder / "environment").exists()
    assert not (folder / "as").exists()
    assert worker_of("notifier", tmp_path) is None


@pytest.mark.long
@pytest.mark.parametrize("up", [("--plain",)], indirect=True)
def test_plain_everybody_may_do_everything(up, tmp_path):
    output = tmp_path / "output"
    until(lambda: "servicecert example" in output.read_text(), up)
    assert not [name for name in variables(tmp_path / "up" / "environment") if "SASL" in name or "KEY_FILE" in name]
    pasted_command_gives_a_certificate(output.read_text(), tmp_path)
    assert as_user("operator", tmp_path, "topics", "create")[0] == 0


@pytest.mark.usefixtures("no_broker")
def test_f4_a_broker_of_ones_own_is_not_taken_for_a_secured_one(servicecert, tmp_path):
    refused = servicecert("up", "--folder", tmp_path / "up")
    assert (refused.exit_code, refused.stdout.count("KAFKA_BOOTSTRAP_SERVERS")) == (78, 0)
    assert "unset KAFKA_BOOTSTRAP_SERVERS, or use `servicecert up --plain`." in refused.stderr
