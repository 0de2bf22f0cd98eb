"""django-ca: processes that call `Certificate.objects.create_cert`, with PostgreSQL, in an environment of its own."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from bench.peers.work import Absent, Habits, Meter, Peer, Speed, Work, database, host, rows

_HERE = Path(__file__).parent
_ENVIRONMENT = Path("var/peers/django-ca").resolve()
_RSA_SHARE = 10
"""It loads its key for each certificate, and to check an RSA 4096 key takes 0.2 s: it issues fewer of these."""


def _measure(work: Work) -> Speed:
    python = _install()
    if work.family == "rsa":
        work = replace(work, count=max(1, work.count // _RSA_SHARE))
    processes = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, database() as postgres, ExitStack() as stack:
        task: dict[str, Any] = {"csrs": work.csrs, "hosts": [host(n) for n in range(work.count)]}
        task |= {"certificate": str(work.ca_certificate), "key": str(work.ca_key), "folder": folder}
        task |= {"database": postgres.url, "warm_up": work.warm_up, "processes": processes}
        file = Path(folder) / "task.json"
        file.write_text(json.dumps(task))
        # With -P the modules beside the worker do not hide those of the same name.
        command = [str(python), "-P", str(_HERE / "django_ca_worker.py"), str(file)]
        subprocess.run([*command, "prepare"], check=True, stdout=subprocess.DEVNULL)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        workers = [stack.enter_context(subprocess.Popen([*command, str(n)], **pipes)) for n in range(processes)]
        for worker in workers:
            assert _file(worker.stdout).readline() == b"ready\n"
        meter = Meter(postgres.pid, *(worker.pid for worker in workers))
        for worker in workers:
            _file(worker.stdin).write(b"\n")
            _file(worker.stdin).flush()
        answers = [json.loads(_file(worker.stdout).readline()) for worker in workers]
        speed = meter.speed(work.count)
        assert rows(postgres, "django_ca_certificate") == work.count + processes * work.warm_up
    for answer in answers:
        work.verify(answer["number"], answer["pem"])
    return speed


def _file(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _install() -> Path:
    """Return the Python of an environment with the locked packages. Raises Absent."""
    python, ready = _ENVIRONMENT / "bin" / "python", _ENVIRONMENT / ".ready"
    if not ready.exists():
        lock = ("--require-hashes", "--only-binary", ":all:", "-r", _HERE / "requirements.lock")
        for command in (sys.executable, "-m", "venv", _ENVIRONMENT), (python, "-m", "pip", "install", *lock):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                raise Absent(f"its packages could not be installed: {result.stderr.strip().splitlines()[-1]}")
        ready.touch()
    return python


PEER = Peer(
    "django-ca 3.2.0",
    "django-ca",
    Habits(
        checks="the kind of key and the extensions; the request's signature only by ACME",
        lints="no; a signal before signing",
        recorded_before="no: a row after signing (its REST API: the order before)",
        audited="no; its web interface logs who acted",
        delivered="no; a signal after signing, mails before a certificate expires",
    ),
    _measure,
)
