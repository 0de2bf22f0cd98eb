"""This machine, its packages and files, and the environment of this process."""

import asyncio
import os
import re
import sys
import time
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module, metadata
from pathlib import Path

from packaging.requirements import Requirement as Wanted
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from servicecert_intake.settings import Settings as IntakeSettings
from servicecert_issuer.settings import Settings as IssuerSettings
from servicecert_notifier.settings import Settings as NotifierSettings
from servicecert_pki.key_checks import KeyListDamaged, load_key_lists
from servicecert_revoker.ocsp.settings import Settings as ResponderSettings
from servicecert_revoker.settings import Settings as RevokerSettings
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.access import over_tls
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.secret_files import SecretUnreadable, require_private
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.process.application import settings_faults
from servicecert_worker.runtime.settings import PUBLIC, ProcessSettings, WorkerSettings
from servicecert_worker.storage import database

from ...settings import CanarySettings, LagSettings
from ..domain import configuration
from ..domain.check import counted, critical, naming, ok, supported
from ..domain.configuration import LostKeys, TimeZones
from ..sources import Look, Sources, Stopped, setting, shared

_TRIALS = ("SERVICECERT_CLOCK_AHEAD", "SERVICECERT_DIE_AT")
_OF_COMMANDS = frozenset({"SERVICECERT_OPERATOR", "SERVICECERT_EXAMPLE_MAILS", "SERVICECERT_DIE_AT"})
_RELEASE = re.compile(r"# version (\d{4}[a-z]+)")
_ZONE = "Europe/Helsinki"
_DAY = 86_400.0


_SETTINGS: tuple[type[BaseSettings], ...] = (
    *(ProcessSettings, WorkerSettings, ResponderSettings, LagSettings, CanarySettings),
    *(IntakeSettings, IssuerSettings, RevokerSettings, NotifierSettings),
)


async def variables(_: Sources) -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables that are set, and those that a setting or a command reads."""
    fields = {field.alias or name.upper() for each in _SETTINGS for name, field in each.model_fields.items()}
    passwords = {
        f"SERVICECERT_{name.upper()}_DATABASE_PASSWORD{end}"
        for name in (*SERVICES, database.MIGRATOR, database.ERASER)
        for end in ("", "_FILE")
    }
    return frozenset(os.environ), frozenset(fields | passwords | _OF_COMMANDS)


async def wrong_settings(_: Sources) -> list[str]:
    """Return what is wrong with the settings that are set, by variable and without values."""
    found: dict[str, None] = {}
    for kind in _SETTINGS:
        try:
            kind()
        except ValidationError as fault:
            found |= dict.fromkeys(each.rstrip(".") for each in settings_faults(fault, missing=False))
    return list(found)


async def insecure(_: Sources) -> tuple[str, bool]:
    """Return what is tolerated, and whether Kafka is reached in the clear."""
    return os.environ.get("SERVICECERT_INSECURE", ""), "KAFKA_BOOTSTRAP_SERVERS" in os.environ and not over_tls()


async def trials(_: Sources) -> list[str]:
    """Return the variables for trials that are set, with their values."""
    return [f"{name}={value}" for name in _TRIALS if (value := os.environ.get(name))]


async def secret_files(_: Sources) -> tuple[int, list[str]]:
    """Return how many files of secrets the environment names, and which others can read or nobody can."""
    named = {
        name: Path(value)
        for name, value in os.environ.items()
        if value
        and name.startswith(("SERVICECERT_", "SMTP_", "KAFKA_", "DATABASE_"))
        and name.endswith("_FILE")
        and not name.endswith(PUBLIC)
    }
    return len(named), [f"{name}: {fault}" for name, path in named.items() if (fault := _fault(path))]


def _fault(path: Path) -> str | None:
    if not path.is_file():
        return f"{path} is not a file"
    try:
        require_private(path)
    except SecretUnreadable as fault:
        return str(fault)
    return None


async def service_keys(_: Sources) -> Mapping[str, timedelta]:
    """Return how long each service has a public key. Raises Stopped where no folder is given, or it cannot be read."""
    try:
        keys = read_public_keys(Path(setting("SERVICECERT_SERVICE_KEYS")))
    except OperatorError as refused:
        raise Stopped(critical(str(refused), "Copy all *.pub of `servicecert service-keys` there.")) from None
    ends = sorted((key.not_after, service) for key in keys.values() for service in key.services)
    return {service: end - datetime.now(UTC) for end, service in ends}


async def time_zones(_: Sources) -> TimeZones:
    """Return what this machine's data say of Helsinki. Raises Stopped where they do not have it."""
    year = datetime.now(UTC).year
    try:
        zone = zoneinfo.ZoneInfo(_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as fault:
        raise Stopped(critical(f"Europe/Helsinki does not load ({type(fault).__name__}).")) from None

    noons = [(datetime(year, month, 1, 12, tzinfo=UTC), datetime(year, month, 1, 12, tzinfo=zone)) for month in (1, 7)]
    winter, summer = ((utc - local) / timedelta(hours=1) for utc, local in noons)
    return TimeZones(winter, summer, _release(), year)


def _release() -> str | None:
    """Return the release of the data in use: the system's where it has the zone, else those of the package tzdata."""
    for folder in zoneinfo.TZPATH:
        if Path(folder, _ZONE).exists():
            try:
                with Path(folder, "tzdata.zi").open() as file:
                    found = _RELEASE.match(file.readline())
            except OSError:
                return None
            return found[1] if found else None
    return str(import_module("tzdata").IANA_VERSION)


async def python(_: Sources) -> tuple[int, int]:
    """Return the version of Python."""
    return sys.version_info[:2]


async def packages(_: Sources) -> tuple[int, list[str]]:
    """Return how many packages the program requires, and what is wrong with them."""
    found: list[str | None] = []
    for text in metadata.requires("servicecert") or ():
        wanted = Wanted(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(wanted.name)
            is_met = wanted.specifier.contains(installed, prereleases=True)
        except metadata.PackageNotFoundError:
            installed, is_met = "is missing", False
        found.append(None if is_met else f"{wanted.name} {installed}, wanted {wanted.specifier or 'any'}")
    return len(found), [each for each in found if each]


@shared
async def key_lists(_: Sources) -> list[LostKeys]:
    """Return the lists of lost keys. Raises Stopped where no folder is given, or intake cannot start with it."""
    folder = Path(setting("SERVICECERT_KEY_LISTS_DIR"))

    def read() -> list[LostKeys]:
        sizes, now = load_key_lists(folder).sizes(), time.time()
        return [LostKeys(name, size, (now - (folder / name).stat().st_mtime) / _DAY) for name, size in sizes.items()]

    try:
        return await asyncio.to_thread(read)
    except (KeyListDamaged, OSError) as refused:
        raise Stopped(critical(str(refused)), "KeyListsMissing") from None


LOOKS = {
    "KeyListsMissing": Look(
        key_lists, lambda lists: ok(", ".join(f"{each.name} has {each.keys} keys" for each in lists) + ".")
    ),
    "KeyListsOld": Look(key_lists, configuration.check_key_lists_age),
    "Variables": Look(variables, configuration.check_variables),
    "Settings": Look(wrong_settings, partial(naming, "{}.", "All are.", separator="; ")),
    "Insecure": Look(insecure, configuration.check_insecure),
    "Trials": Look(trials, partial(naming, "{} is set.", "None is.")),
    "SecretFiles": Look(secret_files, partial(counted, well="{} looked at.", none="No setting names such a file.")),
    "ServiceKeys": Look(service_keys, configuration.check_service_keys),
    "TimeZone": Look(time_zones, configuration.check_time_zone),
    "Python": Look(python, lambda version: supported("Python", version, (3, 11), (3, 14))),
    "Packages": Look(packages, partial(counted, well="{} are.", none="The program is not installed as a package.")),
}
