"""`servicecert install check`: the next thing to do of an installation."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import click

from ..terminal import interruption
from ..terminal.output import escaped
from ..watching.conditions import Severity
from ..watching.doctor.domain.check import EXIT_CODES, FAULTS
from ..watching.doctor.examine import examine

STEPS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "settings": ("Settings", "Variables", "SecretFiles"),
        "Kafka": ("KafkaDown", "Brokers"),
        "rights at Kafka": ("BrokerRights",),
        "topics": ("Topics", "Partitions", "TopicSettings", "Replication", "MinInSync", "CopiesMissing"),
        "PostgreSQL": ("DatabaseDown", "DatabaseVersion", "DatabaseLink", "Locks", "Durability", "Vacuum"),
        "schemas": ("Migrations", "DatabaseRights"),
        "CA": ("Ca", "CaValidity", "CaProfiles", "CaKeyAway", "TrialCa", "RootCrlExpires"),
        "service keys": ("ServiceKeys",),
        "mail server": ("MailServer", "MailLogin"),
        "workers": ("ServiceDown", "Fence", "PartitionsUnread", "VersionsDiffer", "Connections", "ClockWrong"),
        "registers": ("RegistersEmpty", "RegistersStale"),
        "CRLs": ("Crl", "Aia", "CrlAges"),
        "OCSP": ("Ocsp",),
    }
)
"""What is looked at, in the order of installing (docs/install.md)."""

_BEFORE_WORKERS = ("CA", "service keys")
_WIDTH = max(map(len, STEPS))
_MARGIN = " " * (_WIDTH + 14)
_MARKS = {
    Severity.OK: "done",
    Severity.SKIPPED: "skip",
    Severity.UNKNOWN: "to do",
    Severity.WARNING: "look",
    Severity.CRITICAL: "to do",
}


@click.group()
def command() -> None:
    """An installation, step by step (docs/install.md)."""


@command.command()
def check() -> None:
    """Say which step of the installation is the next, and what to do for it.

    Looks as `servicecert doctor` does, in the order of installing, and stops at the
    first fault. Warnings are shown, and what cannot be looked at with these settings.
    Ends with 0 once no fault is left, with 1 before.

    Example:
      servicecert install check
    """
    found = {
        each.name: each for each in interruption.run(examine([name for names in STEPS.values() for name in names]))
    }
    for number, (step, names) in enumerate(STEPS.items(), 1):
        checks = sorted((found[name] for name in names), key=lambda each: EXIT_CODES[each.severity], reverse=True)
        made = [each for each in checks if each.severity is not Severity.SKIPPED]
        worst = made[0] if made else checks[0]
        # What workers have that work is theirs alone; before, it is to be made.
        is_unmade = not made and step in _BEFORE_WORKERS and found["ServiceDown"].severity is not Severity.OK
        mark = _MARKS[Severity.CRITICAL if is_unmade else worst.severity]
        click.echo(f"{number:>3}  {step:<{_WIDTH}}  {mark:<5}  {escaped(worst.finding)}")
        if worst.severity in FAULTS or worst.severity is Severity.UNKNOWN:
            click.echo(f"{_MARGIN}why: {worst.why}")
        if worst.remedy:
            click.echo(f"{_MARGIN}-> {escaped(worst.remedy)}")
        if is_unmade or worst.severity in (Severity.CRITICAL, Severity.UNKNOWN):
            raise SystemExit(1)
    skipped = [each.name for each in found.values() if each.severity is Severity.SKIPPED]
    unseen = f" Not looked at with these settings: {', '.join(skipped)}." if skipped else ""
    click.echo(f"\nNo fault is left.{unseen} Now a test application, all the way: servicecert canary --once")
