"""A child process that ends with this process, however that ends.

Kafka, PostgreSQL and our own services run as a `Child`. Every call blocks until it is done; from asyncio use
`asyncio.to_thread`. No thread owns the child, so the thread that starts it may end.
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

    The command's output is appended to `log`, a file of this user alone. When this process ends, the command gets
    `end_signal`, then SIGKILL after 5 seconds, and the folder `remove` is deleted. `environment` is the command's
    whole environment; None is that of this process. Raises StartFailed if the command cannot be run.
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
        remove: Path | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        user = "-" if account is None else f"{account.pw_uid}:{account.pw_gid}"
        options = [str(int(end_signal)), user, str(remove or "-")]
        log.touch(mode=0o600)
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
        line = self._first_line()
        if not line.isdigit():
            self._end()
            raise StartFailed(f"{self.name} did not start: {line or 'its guard ended at once'}.")
        self.pid = int(line)

    def _first_line(self) -> str:
        assert self._guard.stdout is not None
        with self._guard.stdout as output:
            return output.readline().decode().strip()

    @property
    def returncode(self) -> int | None:
        """None while it runs, then its exit status: 128 + n after signal n."""
        return None if self._guard.poll() is None else self._end()

    @property
    def alive(self) -> bool:
        return self.returncode is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command's process group, unless the command has ended."""
        assert self._guard.stdin is not None
        if self.alive:
            try:
                self._guard.stdin.write(b"%d\n" % number)
            except BrokenPipeError:
                self._guard.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return the exit status. Raises TimeoutError if it still runs after `timeout` s."""
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
        """Send SIGKILL; return the exit status when it and its own children have ended."""
        self.send(signal.SIGKILL)
        return self.wait()

    def stop(self, timeout: float = 10.0, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it with signal `number`, frozen or not; kill it after `timeout` seconds. Return the exit status."""
        self.send(number)
        self.thaw()
        try:
            return self.wait(timeout)
        except TimeoutError:
            return self.kill()

    def freeze(self) -> None:
        """Send SIGSTOP: it stops but keeps its connections. Return when it has stopped."""
        import psutil

        self.send(signal.SIGSTOP)
        with suppress(psutil.NoSuchProcess):
            while psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
                time.sleep(PAUSE)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def tail(self, lines: int = 3) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 8192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def await_ready(self, ready: Callable[[], bool], timeout: float) -> None:
        """Poll `ready` until it is true. Raises StartFailed if the command ends or `timeout` seconds pass first."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.alive:
                raise StartFailed(f"{self.name} ended with status {self.returncode} at its start: {self.tail()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready after {timeout:.0f} s: {self.tail()}")
            time.sleep(PAUSE)
