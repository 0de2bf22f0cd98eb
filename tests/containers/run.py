"""The run: up, an application, a revocation, an alert, more workers, kills, a frozen process, restarts under load."""

import re
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from cryptography import x509

from . import monitoring
from .engine import Engine, Failed, run
from .images import CHECKOUT
from .relying_party import Issued, ocsp_status, revoked_on_crl
from .web import get, get_json, has_metrics

SERVICES = ("intake", "issuer", "revoker", "notifier")
SCALED = (*SERVICES, "crl", "ocsp")
MAILPIT = "http://127.0.0.1:8025/api/v1"
CANARY = "canary@authority.example"
CANARY_SUCCESS = "servicecert_canary_last_success_timestamp_seconds"
_PATIENCE_SECONDS = 120.0
_START_SECONDS, _INTERVAL_SECONDS = 120.0, 5.0
"""As in docker-compose.yml. Checked more often than that, a container would be unhealthy sooner than on Docker."""
_CASE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Run:
    """Docker Compose with the real file; each step prints what was seen and after how many seconds."""

    def __init__(self, engine: Engine, compose: Path) -> None:
        self._engine = engine
        self._program = compose
        self._started = time.monotonic()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.compose("down", "--volumes", "--remove-orphans")
        self._checks = threading.Thread(target=self._check_health, daemon=True)
        self._checks.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self._engine.podman("ps", "--all", "--format", "{{.Names}}  {{.Status}}"))
            self._print_health_checks()
            for name in ("prepare-topics", "prepare-database", "prepare", *SERVICES, "lag", "canary", "prometheus"):
                with suppress(Failed):
                    print(self.compose("logs", "--tail", "5", name)[-2000:])
        self._ended.set()
        self._checks.join()
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "15")

    def all(self) -> None:
        """Every step, in order. Raises Failed and AssertionError."""
        self.comes_up()
        self.as_any_user()
        self.apart()
        self.watched()
        first = self.certificate("an application is accepted, and the certificate mailed")
        self.is_good(first)
        self.revoked(first)
        self.rings()
        self.scaled()
        self.survives_the_revoker()
        self.frozen()
        self.rolling_restart()
        for name in ("kafka", "postgres", "mail", "proxy"):
            self.compose("restart", "--timeout", "15", name)
            self.until(lambda: "total" in self.mails(), f"{name} was restarted")
            self.certificate("another certificate")
        for service in SERVICES:
            assert self.parked(service) == "0", f"{service} has parked records"
        self.say("every container was restarted; nothing is parked")

    def comes_up(self) -> None:
        """`docker compose up`, with the values of deploy/.env.example."""
        self.compose("build", "prepare-secrets")
        self.say("the image is built")
        self.compose("up", "--detach")
        self.until(lambda: set(SCALED) - {"crl"} <= self.healthy(), "all services are healthy")
        for container in self._engine.containers():
            print(f"      {container['Names'][0]:<34} {container['Status']}")

    def as_any_user(self) -> None:
        """As OpenShift runs it: a user that the image does not know, of root's group, with nothing to write to."""
        alone = ("--network=none", "--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp", "--cap-drop=ALL")
        command = (
            "podman",
            "run",
            "--rm",
            "--user=1000680000:0",
            *alone,
            "servicecert",
            "servicecert",
            "db",
            "migrate",
        )
        done = subprocess.run(command, capture_output=True, text=True, env=self._engine.full_environment)
        assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
        assert "Set DATABASE_URL" in done.stderr, done.stderr
        folders = "find /var/lib/servicecert /run/servicecert* -type d -not -group root -o -type d -not -perm -g=rwx"
        left = ("podman", "run", "--rm", "--user=1000680000:0", *alone, "servicecert", "sh", "-c", folders)
        found = subprocess.run(left, capture_output=True, text=True, env=self._engine.full_environment)
        assert set(found.stdout.split()) == {"/var/lib/servicecert"}, found.stdout + found.stderr
        self.say("the image runs as any user of root's group")

    def apart(self) -> None:
        """Who needs no database, or no broker, does not even find its name."""
        for name, known in (
            ("issuer", {"kafka", "postgres"}),
            ("canary", {"kafka"}),
            ("ocsp", {"kafka"}),
            ("crl", set()),
        ):
            look = "for each in kafka postgres; do getent hosts $each >&2 && echo $each; done || true"
            assert set(self.compose("exec", "-T", name, "sh", "-c", look).split()) == known, name
        self.say("the networks are apart")

    def watched(self) -> None:
        """Prometheus scrapes every process, and the canary has passed all stages."""
        self.until(
            lambda: monitoring.are_all_up(dict.fromkeys(monitoring.jobs(), 1)),
            f"Prometheus scrapes {', '.join(sorted(monitoring.jobs()))}",
        )
        self.until(lambda: bool(monitoring.value(CANARY_SUCCESS)), "the canary has passed all stages")

    def rings(self) -> None:
        """A container that is stopped rings as soon as its alert promises, and no longer once it runs again."""
        promised = monitoring.within("ServiceDown")
        self.compose("stop", "notifier")
        self.say("the notifier is stopped")
        self.until(
            lambda: "ServiceDown" in monitoring.firing(job="notifier"),
            f"ServiceDown fires, which it promises within {promised:.0f} s",
            promised,
        )
        is_gone = "notifier" not in monitoring.targets()
        self.say(f"Prometheus {'no longer finds its name' if is_gone else 'gets no answer from its address'}")
        # No lists of leaked keys are loaded here, and that is visible.
        assert monitoring.firing() - {"KeyListsMissing"} == {"ServiceDown"}, monitoring.firing()
        # Docker Compose would run the preparation again.
        self._engine.podman("start", "servicecert-notifier-1")
        self.until(lambda: "ServiceDown" not in monitoring.firing(), "the notifier runs again: ServiceDown is resolved")

    def certificate(self, what: str) -> Issued:
        """Apply by the documented command, and read the certificate from the mail."""
        before = self.mails()["total"]
        # Right after a restart of Kafka the command ends with a sentence, and is run again.
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(ids := set(_CASE_ID.findall(self.compose("run", "--rm", "-T", "e-service")))) != 1:
            assert time.monotonic() < deadline, f"no application could be sent: {what}"
        (case_id,) = ids
        mail: list[bytes] = []

        def arrived() -> bool:
            for each in self.mails()["messages"][: self.mails()["total"] - before]:
                if each["To"][0]["Address"] == CANARY:
                    continue
                content = get(f"{MAILPIT}/message/{each['ID']}/raw")
                if b"-----BEGIN CERTIFICATE-----" in content or b"application/" in content:
                    mail[:] = [content]
                    return True
            return False

        self.until(arrived, what)
        parts = message_from_bytes(mail[0], policy=policy.default).iter_attachments()
        (der,) = (part.get_content() for part in parts if str(part.get_filename()).endswith(".der"))
        return Issued(case_id, x509.load_der_x509_certificate(der))

    def is_good(self, issued: Issued) -> None:
        """The proxy serves the CRL that the certificate names, and OCSP says good."""
        self.until(
            lambda: revoked_on_crl(issued) is None and ocsp_status(issued) == "good",
            "its CRL does not list it, and OCSP says good",
        )

    def revoked(self, issued: Issued, what: str = "its revocation is on the CRL and in OCSP") -> None:
        """Ask for the revocation, and wait until relying parties see it."""
        serial = f"{issued.certificate.serial_number:x}"
        command = ("servicecert", "revoke", issued.case_id, "--serial", serial, "--reason", "no-longer-needed")
        self.compose("run", "--rm", "-T", "e-service", *command)
        self.until(lambda: revoked_on_crl(issued) is not None and ocsp_status(issued) == "revoked", what)

    def scaled(self) -> None:
        """Two of each service by one command, each with its own /metrics."""
        self.compose("up", "--detach", "--no-recreate", *(f"--scale={name}=2" for name in SCALED))
        self.until(lambda: all(map(self.two_run, SCALED)), "two of each service run")
        two = dict.fromkeys(monitoring.jobs(), 1) | dict.fromkeys((*SERVICES, "ocsp"), 2)
        self.until(lambda: monitoring.are_all_up(two), "Prometheus scrapes two of each")
        for name in (*SERVICES, "ocsp"):
            for index in (1, 2):
                address = self.compose("port", "--index", str(index), name, "8000").strip()
                self.until(partial(has_metrics, address), f"/metrics of {name} {index} at {address}")
        self.certificate("a certificate with two of each")

    def survives_the_revoker(self) -> None:
        """One of two revokers is killed: CRLs and OCSP are served, and a revocation is published."""
        issued = self.certificate("a certificate to revoke")
        self.signal("servicecert-revoker-1", "SIGKILL")
        assert ocsp_status(issued) == "good"
        self.revoked(issued, "a revoker is killed; the other one revokes")
        self.until(partial(self.two_run, "revoker"), "the killed revoker runs again")

    def frozen(self) -> None:
        """A process that stands still is killed by its health check, and runs again."""
        started = self.started_at("servicecert-issuer-1")
        self.signal("servicecert-issuer-1", "SIGSTOP")
        self.until(
            lambda: self.started_at("servicecert-issuer-1") not in ("", started),
            "a frozen issuer is killed by its health check and runs again",
        )
        self.certificate("a certificate after that")

    def rolling_restart(self) -> None:
        """Restart the containers of all services, one after another, while two customers apply without a pause."""
        customers = [f"servicecert-customer-{number}" for number in (1, 2)]
        with ThreadPoolExecutor(len(customers)) as threads:
            running = [
                threads.submit(self.compose, "run", "--rm", "-T", "--name", name, "e-service", "sh", "-c", CUSTOMER)
                for name in customers
            ]
            try:
                for service in SCALED:
                    for index in (1, 2):
                        container = f"servicecert-{service}-{index}"
                        self._engine.podman("restart", "--time", "15", container)
                        # crl has no health check: it serves files.
                        if service != "crl":
                            self.until(partial(self.is_well, container), f"{service} {index} was restarted")
            finally:
                for name in customers:
                    # One that is gone says why below.
                    with suppress(Failed):
                        self._engine.podman("exec", name, "touch", "/tmp/enough")
            seconds = [float(each) / 1000 for each in "".join(each.result() for each in running).split()]
        self.say(
            f"{len(seconds)} applications meanwhile, and all got their certificate:"
            f" after {median(seconds):.1f} s, the longest after {max(seconds):.1f} s, key and all included"
        )

    # What is seen from outside.

    def mails(self) -> dict[str, Any]:
        return get_json(f"{MAILPIT}/messages")

    def parked(self, service: str) -> str:
        """Return how many records a service has parked, asked with its own login."""
        url, query = "open('/run/servicecert/DATABASE_URL').read()", f"select count(*) from {service}.parked"
        program = f"import psycopg; print(psycopg.connect({url}).execute({query!r}).fetchone()[0])"
        return self.compose("exec", "-T", service, "python", "-c", program).strip()

    # The engine.

    def compose(self, *arguments: str) -> str:
        """Run Docker Compose in the checkout and return its standard output. Raises Failed."""
        return run(
            self._program,
            "--file",
            "docker-compose.yml",
            "--file",
            "tests/containers/left-out.yml",
            "--env-file",
            "deploy/.env.example",
            *arguments,
            environment=self._engine.environment,
            cwd=CHECKOUT,
        )

    def healthy(self) -> set[str]:
        return {
            container["Labels"]["com.docker.compose.service"]
            for container in self._engine.containers()
            if "(healthy)" in container["Status"]
        }

    def count(self, service: str) -> int:
        return sum(
            container["Labels"].get("com.docker.compose.service") == service
            and container["State"] == "running"
            and ("healthy" in container["Status"] or service == "crl")
            and "unhealthy" not in container["Status"]
            for container in self._engine.containers()
        )

    def is_well(self, container: str) -> bool:
        """Return whether a container passes its health check now."""
        self._engine.podman("healthcheck", "run", container)
        return True

    def two_run(self, service: str) -> bool:
        return self.count(service) == 2

    def signal(self, container: str, name: str) -> None:
        """Send a signal to the process of a container, from inside: the engine is not asked for it."""
        program = (
            "import os, signal\nfrom pathlib import Path\n"
            "from servicecert_worker.process.probe import children_of_init\n"
            f"[os.kill(each, signal.{name}) for each in children_of_init(Path('/proc'))"
            " if b'servicecert' in Path(f'/proc/{each}/cmdline').read_bytes()]"
        )
        with suppress(Failed):
            # A container that ends by the signal ends this command, too.
            self._engine.podman("exec", container, "python", "-c", program)

    def _print_health_checks(self) -> None:
        """Print what the last health checks of each unhealthy container said, and how long they took."""
        for container in self._engine.containers():
            if "unhealthy" in container["Status"]:
                name = container["Names"][0]
                with suppress(Failed):
                    print(name, self._engine.podman("inspect", "--format", "{{json .State.Health.Log}}", name))

    def started_at(self, container: str) -> str:
        """Return when a running container was started; the empty string while it does not run."""
        shown = self._engine.podman("inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", container)
        return shown.removeprefix("true ") if shown.startswith("true") else ""

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait for a condition, and say so. Raises AssertionError after that time."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(OSError, ValueError, Failed):
                if condition():
                    break
            assert time.monotonic() < deadline, f"not seen within {seconds:.0f} s: {what}"
            time.sleep(0.3)
        self.say(what)

    def say(self, what: str) -> None:
        print(f"{time.monotonic() - self._started:6.1f} s  {what}", flush=True)

    def _check_health(self) -> None:
        """podman's health checks, which a timer of systemd would run: often at first, then as Compose says."""
        checked: dict[str, float] = {}
        while not self._ended.wait(1.0):
            with suppress(Failed):
                for container in self._engine.containers():
                    is_starting = time.time() - container["StartedAt"] < _START_SECONDS
                    pause = 0.0 if is_starting else _INTERVAL_SECONDS
                    if container["State"] == "running" and time.time() - checked.get(container["Id"], 0) >= pause:
                        checked[container["Id"]] = time.time()
                        subprocess.run(
                            ["podman", "healthcheck", "run", container["Names"][0]],
                            env=self._engine.full_environment,
                            capture_output=True,
                            timeout=60,
                        )


CUSTOMER = """
while [ ! -e /tmp/enough ]; do
    began=$(date +%s%3N)
    servicecert example --folder /tmp/example >&2 || exit 1
    echo $(($(date +%s%3N) - began))
done
"""
"""Applies again and again, and prints the milliseconds until each certificate. One that is missing ends it with 1."""
