"""The catalogue of conditions: alerts, the doctor's findings, the runbook's heads and the reference come from it."""

from types import MappingProxyType

from . import (
    audit,
    authority,
    configuration,
    database,
    kafka,
    mail,
    processes,
    promises,
    registers,
    revocation,
    topics,
    work,
    workers,
)
from .condition import Condition, Severity, Subject

_ALL = (
    kafka,
    topics,
    workers,
    processes,
    database,
    authority,
    revocation,
    mail,
    registers,
    work,
    audit,
    promises,
    configuration,
)

CONDITIONS = MappingProxyType({each.name: each for module in _ALL for each in module.CONDITIONS})
"""The conditions by name, subject by subject."""

__all__ = ["CONDITIONS", "Condition", "Severity", "Subject"]
