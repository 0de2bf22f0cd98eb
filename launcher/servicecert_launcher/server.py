"""The common base of the broker and the database: a server that keeps its address and data until it is stopped."""

import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from .errors import PortTaken, StartFailed
from .processes import Child
from .reports import Report

TRIES = 5
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class Server(ABC):
    """A server whose address and data survive `kill` and `restart` until `stop`. Every call blocks until it is done."""

    NAME: ClassVar[str]
    END_SIGNAL: ClassVar[signal.Signals] = signal.SIGTERM
    PORT_TAKEN: ClassVar[str]
    """Text in its log if another process uses its port."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._folder: Path | None = None
        self._child: Child | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def log(self) -> Path:
        return self._home() / "server.log"

    def restart(self) -> None:
        """Start it again with the same address and data; stop it first if it runs. Return when it answers."""
        if self.alive:
            self._running().stop(STOP_SECONDS, self.END_SIGNAL)
        self._spawn()

    def kill(self) -> None:
        """Send SIGKILL to the server and its children; its address and data stay for `restart`."""
        self._running().kill()

    def freeze(self) -> None:
        self._running().freeze()

    def thaw(self) -> None:
        self._running().thaw()

    def stop(self) -> None:
        """Stop it and delete its data. Does nothing if it does not run."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS, self.END_SIGNAL)
            self._child = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @abstractmethod
    def _prepare(self) -> None:
        """Fill the new folder for an empty server."""

    @abstractmethod
    def _choose_ports(self) -> None:
        """Choose the ports that the next process listens on."""

    @abstractmethod
    def _process(self) -> Child:
        """Start the server's process."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return whether the server serves clients."""

    def _start_in(self, folder: Path) -> None:
        """Start an empty server in a new folder. If another process takes a port meanwhile, choose another."""
        self._folder = folder
        try:
            self._prepare()
            for left in reversed(range(TRIES)):
                self._choose_ports()
                try:
                    return self._spawn()
                except PortTaken:
                    if not left:
                        raise
        except BaseException:
            self.stop()
            raise

    def _spawn(self) -> None:
        self.log.unlink(missing_ok=True)
        self._child = self._process()
        try:
            self._child.await_ready(self._answers, START_SECONDS)
        except StartFailed as failed:
            self._child.stop(STOP_SECONDS, self.END_SIGNAL)
            if self.PORT_TAKEN in self.log.read_text(errors="replace"):
                raise PortTaken(f"A port of {self.NAME} is in use.") from failed
            raise

    def _home(self) -> Path:
        assert self._folder is not None, f"{self.NAME} was not started"
        return self._folder

    def _running(self) -> Child:
        assert self._child is not None, f"{self.NAME} was not started"
        return self._child
