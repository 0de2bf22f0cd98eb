"""SoftHSM2, the software PKCS#11 token of demo, tests and benchmarks: the system's where it is installed, else fetched.

It is fetched from the package sources that the machine's apt is configured with, into a cache of the checkout: apt
checks the package against the signed list of its source, and neither needs root nor changes the system.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import DeployError, TokenMissing
from .java import CHECKOUT, locked
from .reports import Report, silent

CACHE = CHECKOUT / "var" / "cache" / "softhsm"
LIBRARY = "libsofthsm2.so"
PACKAGE = "libsofthsm2"

_INITIALIZER = Path(__file__).with_name("token_initializer.py")


def _installed() -> Path | None:
    """Where distributions put it."""
    places = [
        *Path("/usr/lib").glob(f"{platform.machine()}-linux-*/softhsm/{LIBRARY}"),
        *(Path(lib) / "softhsm" / LIBRARY for lib in ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")),
    ]
    return next((place for place in places if place.exists()), None)


def _fetched(cache: Path) -> Path | None:
    return next(cache.glob(f"package/usr/lib/**/{LIBRARY}"), None)


def find_library(cache: Path = CACHE, report: Report = silent) -> Path:
    """The path of SoftHSM2's library, fetched at the first call on a machine that has none. Raises TokenMissing."""
    found = _installed() or _fetched(cache)
    if found is None:
        with locked(cache, report):
            found = _fetched(cache)
            if found is None:
                report("fetching SoftHSM2 (10 MB of package lists, once)")
                _fetch(cache)
                found = _fetched(cache)
    if found is None:
        raise TokenMissing(f"The package {PACKAGE} holds no {LIBRARY}: install SoftHSM2 yourself.")
    return found


def _fetch(cache: Path) -> None:
    """Bring the package into the cache, whole or not at all."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise TokenMissing("There is no SoftHSM2, and without apt none can be fetched: install the package softhsm2.")
    with tempfile.TemporaryDirectory(prefix="arriving-", dir=cache) as name:
        arriving = Path(name)
        for folder in ("lists/partial", "archives/partial"):
            (arriving / folder).mkdir(parents=True)
        apt = [
            *("apt-get", "--quiet", "--quiet", "-o", f"Dir::State={arriving}", "-o", f"Dir::Cache={arriving}"),
            *("-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Acquire::Languages=none"),
            *("-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-o", "APT::Sandbox::User="),
            *("-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false", "-o", "Acquire::Retries=3"),
        ]
        _run([*apt, "update"], arriving)
        _run([*apt, "download", PACKAGE], arriving)
        (package,) = arriving.glob("*.deb")
        _run(["dpkg-deb", "--extract", str(package), str(arriving / "package")], arriving)
        (arriving / "package").replace(cache / "package")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise TokenMissing(f"SoftHSM2 could not be fetched ({said}): install the package softhsm2, or try again.")


@dataclass(frozen=True)
class SoftHsm:
    """Tokens in a folder of their own. `environment` is what a process needs to find them."""

    module: Path
    folder: Path

    @classmethod
    def prepare(cls, folder: Path, cache: Path = CACHE, report: Report = silent) -> "SoftHsm":
        """Make the folder, readable by its owner alone, with no token in it. Raises TokenMissing."""
        module = find_library(cache, report)
        (folder / "tokens").mkdir(parents=True, mode=0o700, exist_ok=True)
        settings = f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        (folder / "softhsm2.conf").write_text(settings)
        return cls(module, folder)

    @property
    def environment(self) -> dict[str, str]:
        """The library for whoever opens keys, and the library's own configuration."""
        return {
            "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"),
            "SERVICECERT_PKCS11_MODULE": str(self.module),
        }

    def add_token(self, label: str, pin: str, officer_pin: str) -> Path:
        """Make an empty token; returns its folder. The PINs go through a pipe, never through arguments."""
        before = set((self.folder / "tokens").iterdir())
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(_INITIALIZER), str(self.module), label],
            input=f"{officer_pin}\n{pin}\n",
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        made = set((self.folder / "tokens").iterdir()) - before
        if done.returncode or len(made) != 1:
            raise DeployError(f"SoftHSM2 made no token {label}: {done.stderr.strip()}")
        return made.pop()
