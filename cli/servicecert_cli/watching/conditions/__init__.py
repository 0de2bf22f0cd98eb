"""The catalogue of conditions: alerts, the doctor's findings, the runbook's heads and the reference come from it."""

from types import MappingProxyType

from . import authority, installation, kafka, mail, registers, security, work
from .condition import Condition, Severity, Subject

_ALL = [
    each for module in (authority, installation, kafka, mail, registers, security, work) for each in module.CONDITIONS
]

CONDITIONS = MappingProxyType({each.name: each for subject in Subject for each in _ALL if each.subject is subject})
"""The conditions by name, subject by subject."""

__all__ = ["CONDITIONS", "Condition", "Severity", "Subject"]
