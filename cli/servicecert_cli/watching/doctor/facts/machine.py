"""The files of this machine, and the environment of this process."""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings
from servicecert_intake.settings import Settings as IntakeSettings
from servicecert_issuer.settings import Settings as IssuerSettings
from servicecert_notifier.settings import Settings as NotifierSettings
from servicecert_pki.key_checks import KeyListDamaged, load_key_lists
from servicecert_revoker.ocsp.settings import Settings as ResponderSettings
from servicecert_revoker.settings import Settings as RevokerSettings
from servicecert_worker.core.access import over_tls
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.secret_files import SecretUnreadable, require_private
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.runtime.environment import OURS, faults, unknown_variables
from servicecert_worker.runtime.settings import ProcessSettings, WorkerSettings, names_secret

from ...settings import CanarySettings, LagSettings
from ..domain import configuration
from ..domain.check import counted, critical, naming, ok
from ..sources import Look, Sources, Stopped, setting, shared

_TRIALS = ("SERVICECERT_CLOCK_AHEAD", "SERVICECERT_DIE_AT")
_DAY = 86_400.0


SETTINGS: tuple[type[BaseSettings], ...] = (
    *(ProcessSettings, WorkerSettings, ResponderSettings, LagSettings, CanarySettings),
    *(IntakeSettings, IssuerSettings, RevokerSettings, NotifierSettings),
)


async def variables(_: Sources) -> list[str]:
    return list(unknown_variables())


async def wrong_settings(_: Sources) -> list[str]:
    """Return what is wrong with the settings that are set, by variable and without values."""
    found: dict[str, None] = {}
    for kind in SETTINGS:
        try:
            kind()
        except ValidationError as fault:
            found |= dict.fromkeys(each.rstrip(".") for each in faults(kind, fault, missing=False))
    return list(found)


async def insecure(_: Sources) -> tuple[str, bool]:
    return os.environ.get("SERVICECERT_INSECURE", ""), "KAFKA_BOOTSTRAP_SERVERS" in os.environ and not over_tls()


async def trials(_: Sources) -> list[str]:
    return [f"{name}={value}" for name in _TRIALS if (value := os.environ.get(name))]


async def secret_files(_: Sources) -> tuple[int, list[str]]:
    """Return how many files of secrets the environment names, and which others can read or nobody can."""
    named = {
        name: Path(value)
        for name, value in os.environ.items()
        if value and name.startswith((*OURS, "KAFKA_", "DATABASE_")) and names_secret(name)
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


@shared
async def key_lists(_: Sources) -> Mapping[str, int]:
    """Return how many lost keys each list has. Raises Stopped where none is given, or intake cannot start with them."""
    folder = Path(setting("SERVICECERT_KEY_LISTS_DIR"))
    try:
        return (await asyncio.to_thread(load_key_lists, folder)).sizes()
    except (KeyListDamaged, OSError) as refused:
        raise Stopped(critical(str(refused)), "KeyListsMissing") from None


async def key_list_ages(sources: Sources) -> dict[str, float]:
    """Return the age of each list in days. Raises Stopped as `key_lists`."""
    names, folder, now = await key_lists(sources), Path(setting("SERVICECERT_KEY_LISTS_DIR")), time.time()
    return {name: (now - (folder / name).stat().st_mtime) / _DAY for name in names}


LOOKS = {
    "KeyListsMissing": Look(
        key_lists, lambda sizes: ok(", ".join(f"{name} has {keys} keys" for name, keys in sizes.items()) + ".")
    ),
    "KeyListsOld": Look(key_list_ages, configuration.check_key_lists_age),
    "Variables": Look(variables, partial(naming, "{}", "All variables that are set are known.", separator=" ")),
    "Settings": Look(wrong_settings, partial(naming, "{}.", "Every setting has an allowed value.", separator="; ")),
    "Insecure": Look(insecure, configuration.check_insecure),
    "Trials": Look(trials, partial(naming, "{} is set.", "No setting for trials is on.")),
    "SecretFiles": Look(
        secret_files,
        partial(counted, well="Nobody else can read them, {} in all.", none="No setting names such a file."),
    ),
    "ServiceKeys": Look(service_keys, configuration.check_service_keys),
}
