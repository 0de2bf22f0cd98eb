"""SoftHSM2, the software PKCS#11 token of demo, tests and benchmarks: the installed one, or a fetched one.

It is fetched from the machine's apt sources into a cache of the checkout: apt checks the package against the signed
list of its source, needs no root and does not change the system.
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
from .java import CACHES, locked
from .reports import silent

CACHE = CACHES / "softhsm"
LIBRARY = "libsofthsm2.so"
PACKAGE = "libsofthsm2"

_INITIALIZER = Path(__file__).with_name("token_initializer.py")


def _installed() -> Path | None:
    places = [
        *Path("/usr/lib").glob(f"{platform.machine()}-linux-*/softhsm/{LIBRARY}"),
        *(Path(lib) / "softhsm" / LIBRARY for lib in ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")),
    ]
    return next((place for place in places if place.exists()), None)


def _fetched(cache: Path) -> Path | None:
    return next(cache.glob(f"package/usr/lib/**/{LIBRARY}"), None)


def find_library(cache: Path = CACHE) -> Path:
    """Return the path of SoftHSM2's library, fetched at the first call if not installed. Raises TokenMissing."""
    library = _installed() or _fetched(cache)
    if library is None:
        with locked(cache, silent):
            if _fetched(cache) is None:
                _fetch(cache)
        library = _fetched(cache)
    if library is None:
        raise TokenMissing(f"The package {PACKAGE} has no {LIBRARY}: install SoftHSM2 yourself.")
    return library


def _fetch(cache: Path) -> None:
    """Fetch the package into the cache, complete or not at all."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise TokenMissing("SoftHSM2 is missing, and cannot be fetched without apt: install the package softhsm2.")
    with tempfile.TemporaryDirectory(prefix="arriving-", dir=cache) as name:
        temporary = Path(name)
        for folder in ("lists/partial", "archives/partial"):
            (temporary / folder).mkdir(parents=True)
        apt = [
            *("apt-get", "--quiet", "--quiet", "-o", f"Dir::State={temporary}", "-o", f"Dir::Cache={temporary}"),
            *("-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Acquire::Languages=none"),
            *("-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-o", "APT::Sandbox::User="),
            *("-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false", "-o", "Acquire::Retries=3"),
        ]
        _run([*apt, "update"], temporary)
        _run([*apt, "download", PACKAGE], temporary)
        (package,) = temporary.glob("*.deb")
        _run(["dpkg-deb", "--extract", str(package), str(temporary / "package")], temporary)
        (temporary / "package").replace(cache / "package")


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no error message"])[-1]
        raise TokenMissing(f"SoftHSM2 could not be fetched ({reason}): install the package softhsm2, or try again.")


@dataclass(frozen=True)
class SoftHsm:
    """Tokens in their own folder. A process finds them with `environment`."""

    module: Path
    folder: Path

    @classmethod
    def prepare(cls, folder: Path) -> "SoftHsm":
        """Make the folder, readable by its owner alone, without a token. Raises TokenMissing."""
        module = find_library()
        (folder / "tokens").mkdir(parents=True, mode=0o700, exist_ok=True)
        settings = f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        (folder / "softhsm2.conf").write_text(settings)
        return cls(module, folder)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the library for our services, and the library's own configuration."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"), "SERVICECERT_PKCS11_MODULE": str(self.module)}

    def add_token(self, label: str, pin: str, officer_pin: str) -> Path:
        """Make an empty token, and return its folder. The PINs go through a pipe, never through arguments."""
        before = set((self.folder / "tokens").iterdir())
        result = subprocess.run(
            [sys.executable, "-I", "-S", str(_INITIALIZER), str(self.module), label],
            input=f"{officer_pin}\n{pin}\n",
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        tokens = set((self.folder / "tokens").iterdir()) - before
        if result.returncode or len(tokens) != 1:
            raise DeployError(f"SoftHSM2 made no token {label}: {result.stderr.strip()}")
        return tokens.pop()
