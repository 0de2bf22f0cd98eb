"""The catalogue of conditions: alerts, the doctor's findings, the runbook's heads and the reference come from it."""

from types import MappingProxyType

from . import authority, configuration, database, kafka, mail, promises, registers, revocation, work, workers
from .condition import Condition, Severity, Subject

_ALL = (kafka, workers, database, authority, revocation, mail, registers, work, promises, configuration)
_ORDER = list(Subject)

CONDITIONS = MappingProxyType(
    {
        each.name: each
        for each in sorted(
            (each for module in _ALL for each in module.CONDITIONS), key=lambda each: _ORDER.index(each.subject)
        )
    }
)
"""The conditions by name, subject by subject."""

__all__ = ["CONDITIONS", "Condition", "Severity", "Subject"]
