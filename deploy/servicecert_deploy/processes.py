"""A child process that ends with us, whatever ends us.

Kafka, PostgreSQL and our own services are all run by `Child`. Every call blocks until what it asks for is so;
from asyncio, call them by `asyncio.to_thread`. No thread owns the child, so any thread may start it and end.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .accounts import Account
from .errors import StartFailed

GUARD = Path(__file__).with_name("guard.py")
PAUSE = 0.02


class Child:
    """One running command, watched by `guard.py`.

    `log` gets the command's standard output and error, appended. `end_signal` is what the command gets when this
    process is gone, SIGKILL following after `grace` seconds; then `remove`, a folder, is deleted. `environment` is the
    whole environment of the command, this process's own when None. Raises StartFailed when the command cannot be run.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        account: Account | None = None,
        end_signal: signal.Signals = signal.SIGKILL,
        grace: float = 5.0,
        remove: Path | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        options = [str(int(end_signal)), str(grace), str(account or "-"), str(remove or "-")]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *options, *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=None if environment is None else dict(environment),
                cwd=folder,
                start_new_session=True,
                bufsize=0,
            )
        told = self._told()
        if not told.isdigit():
            self._end()
            raise StartFailed(f"{self.name} did not start: {told or 'its guard ended at once'}.")
        self.pid = int(told)

    def _told(self) -> str:
        assert self._guard.stdout is not None
        with self._guard.stdout as said:
            return said.readline().decode().strip()

    @property
    def returncode(self) -> int | None:
        """None while it runs, then its exit status: 128 + n after signal n."""
        return None if self._guard.poll() is None else self._end()

    @property
    def alive(self) -> bool:
        return self.returncode is None

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the command's process group. A command that has ended gets nothing."""
        assert self._guard.stdin is not None
        if self.alive:
            try:
                self._guard.stdin.write(b"%d\n" % number)
            except BrokenPipeError:
                self._guard.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; returns the exit status. Raises TimeoutError when it still runs after `timeout` s."""
        try:
            self._guard.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {timeout} s.") from None
        return self._end()

    def _end(self) -> int:
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        return self._guard.wait()

    def kill(self) -> int:
        """SIGKILL, and returns when it is gone, its own children included."""
        self.send(signal.SIGKILL)
        return self.wait()

    def stop(self, timeout: float = 10.0, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end by signal `number`, frozen or not; kills it after `timeout` seconds."""
        self.send(number)
        self.thaw()
        try:
            return self.wait(timeout)
        except TimeoutError:
            return self.kill()

    def freeze(self) -> None:
        """SIGSTOP: it stands still but keeps its connections. Returns when it does."""
        import psutil

        self.send(signal.SIGSTOP)
        with suppress(psutil.NoSuchProcess):
            while psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
                time.sleep(PAUSE)

    def thaw(self) -> None:
        """SIGCONT: it goes on."""
        self.send(signal.SIGCONT)

    def said(self, lines: int = 3) -> str:
        """The last lines of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 8192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def await_ready(self, ready: Callable[[], bool], timeout: float) -> None:
        """Polls `ready` until it is true. Raises StartFailed when the command ends or `timeout` seconds pass first."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.alive:
                raise StartFailed(f"{self.name} ended with status {self.returncode} at its start: {self.said()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready after {timeout:.0f} s: {self.said()}")
            time.sleep(PAUSE)
