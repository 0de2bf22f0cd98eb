"""This machine and the environment of this process: what is set, and what is installed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches

from servicecert_schemas.topics import SERVICES

from .check import Finding, Subject, critical, examination, listed, ok, skipped, warning

OURS = ("SERVICECERT_", "SMTP_")
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
OLD_ZONES_YEARS = 2
ENDS_SOON = timedelta(days=30)
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Variables:
    """The names of the variables that are set, and those that some part of the system reads."""

    given: frozenset[str]
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class TimeZones:
    """Europe/Helsinki's hours from UTC in January and July; `release` of the data as 2026a; why it does not load."""

    winter: float
    summer: float
    release: str | None
    today: date
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package that the program requires: what of it, and the installed version, None if there is none."""

    name: str
    wanted: str
    installed: str | None
    is_met: bool


@examination(
    "variables",
    Subject.CONFIGURATION,
    "Is each of our variables one that something reads?",
    "A misspelt variable has no effect, and nobody is told.",
)
def check_variables(variables: Variables) -> Finding:
    unknown = sorted(name for name in variables.given if name.startswith(OURS) and name not in variables.known)
    if unknown:
        text = listed([_suggested(name, variables.known) for name in unknown])
        return warning(f"Nothing reads {text}.", "Correct or remove it: docs/operations.md lists all settings.")
    return ok(f"{sum(name.startswith(OURS) for name in variables.given)} are set, all known.")


def _suggested(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, sorted(known), 1, 0.8)
    return f"{name} ({close[0]}?)" if close else name


@examination(
    "settings",
    Subject.CONFIGURATION,
    "Has each setting that is set an allowed value?",
    "A process with a wrong setting does not start.",
)
def check_settings(faults: Sequence[str]) -> Finding:
    """Judge the faults, each with its variable's name and without its value."""
    if faults:
        return critical(f"{listed(faults, '; ')}.", "Correct it: docs/operations.md lists all settings.")
    return ok("All are.")


@examination(
    "insecure",
    Subject.CONFIGURATION,
    "Is nothing insecure tolerated?",
    "In the clear, or with too many rights, others can forge orders for certificates.",
)
def check_insecure(facts: tuple[str, bool]) -> Finding:
    """Judge SERVICECERT_INSECURE, and whether Kafka is reached in the clear."""
    tolerated, in_the_clear = facts
    if tolerated:
        return warning(f"SERVICECERT_INSECURE={tolerated}, which is for trials.", "Remove it in production.")
    if in_the_clear:
        return warning("Kafka is reached in the clear.", "Set KAFKA_SECURITY_PROTOCOL=SASL_SSL or SSL.")
    return ok("Nothing is.")


@examination(
    "trials",
    Subject.CONFIGURATION,
    "Is no setting for trials on?",
    "A clock that runs ahead makes certificates and CRLs with wrong times; a crash point kills the process.",
)
def check_trials(given: Mapping[str, str]) -> Finding:
    """Judge the variables for trials that are set."""
    if given:
        text = ", ".join(f"{name}={value}" for name, value in given.items())
        return critical(f"{text} is set.", "Remove it in production.")
    return ok("None is.")


@examination(
    "secret-files",
    Subject.CONFIGURATION,
    "Can nobody else read the files of passwords and keys?",
    "Who reads them can act as the service, or sign as the CA.",
)
def check_secret_files(facts: tuple[int, Sequence[str]]) -> Finding:
    """Judge how many files settings name, and the faults, each with its variable's name."""
    number, faults = facts
    if faults:
        return critical(f"{listed(faults, '; ')}.", "Close the file, and replace the secret that others may have read.")
    return ok(f"{number} looked at.") if number else skipped("No setting names such a file.")


@examination(
    "service-keys",
    Subject.CONFIGURATION,
    "Is a public key of each service there?",
    "Records of a service whose key is missing are parked as forged.",
)
def check_service_keys(facts: tuple[Mapping[str, timedelta], str | None]) -> Finding:
    """Judge how long each service has a public key in the folder, and why the folder cannot be read."""
    left, fault = facts
    if fault is not None:
        return critical(fault, "Copy all *.pub of `servicecert service-keys` there.")
    copy = "Copy its *.pub there, and restart the readers."
    if missing := [service for service in SERVICES if left.get(service, _NO_TIME) <= _NO_TIME]:
        return critical(f"No public key of {', '.join(missing)}, or it has ended.", copy)
    if ending := [f"{service} in {left[service].days} days" for service in SERVICES if left[service] < ENDS_SOON]:
        return warning(f"The last public key ends: {', '.join(ending)}.", f"Make a new key. {copy}")
    return ok("Each service has one.")


@examination(
    "time-zone",
    Subject.CONFIGURATION,
    "Does this machine know Finland's time, by data that are not old?",
    "Six months, weekdays and reminders are counted in Europe/Helsinki.",
)
def check_time_zone(zones: TimeZones) -> Finding:
    update = "Update the system's tzdata, or the Python package tzdata."
    if zones.fault is not None:
        return critical(f"Europe/Helsinki does not load ({zones.fault}).", update)
    if (zones.winter, zones.summer) != (2.0, 3.0):
        # As the law is today; where Finland gives up summer time, the rules of days change too.
        return warning(f"Helsinki is at UTC+{zones.winter:g} in January, UTC+{zones.summer:g} in July.", update)
    if zones.release is None:
        return ok("Europe/Helsinki loads; the data do not tell their release.")
    if zones.today.year - int(zones.release[:4]) > OLD_ZONES_YEARS:
        return warning(f"The data are of {zones.release}.", update)
    return ok(f"The data are of {zones.release}.")


@examination(
    "python",
    Subject.CONFIGURATION,
    "Is it a Python that we support?",
    "Only these versions are tested.",
)
def check_python(version: tuple[int, int]) -> Finding:
    text = f"Python {version[0]}.{version[1]}."
    supported = f"Use Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} to {NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]}."
    if version < OLDEST_PYTHON:
        return critical(text, supported)
    return warning(text, supported) if version > NEWEST_PYTHON else ok(text)


@examination(
    "packages",
    Subject.CONFIGURATION,
    "Are all required packages installed, in versions that fit?",
    "With other versions than those locked anything may behave differently.",
)
def check_packages(requirements: Sequence[Requirement]) -> Finding:
    wrong = [
        f"{each.name} {each.installed or 'is missing'}, wanted {each.wanted or 'any'}"
        for each in requirements
        if not each.is_met
    ]
    if wrong:
        text = f"{listed(wrong, '; ')}."
        return warning(text, "Install with pip install --require-hashes -r deploy/requirements.lock.")
    return ok(f"{len(requirements)} are.")
