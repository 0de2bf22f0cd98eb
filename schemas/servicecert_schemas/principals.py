"""The identities that a broker tells apart: who writes and reads topics, and how much each may write."""

from enum import StrEnum
from types import MappingProxyType


class Principal(StrEnum):
    """A user of the broker. Each service is one, whatever its number of workers; each kind of command is one."""

    INTAKE = "intake"
    ISSUER = "issuer"
    REVOKER = "revoker"
    NOTIFIER = "notifier"
    OCSP_RESPONDER = "ocsp-responder"
    E_SERVICE = "e-service"
    CANARY = "canary"
    """`servicecert canary`."""
    REGISTERS_LOADER = "registers-loader"
    """`servicecert registers`."""
    OPERATOR = "operator"
    """`servicecert lag`, `doctor`, `watch`, `cases`, `topics list`, `ca reconcile --published`."""
    MONITORING = "monitoring"
    """Lag and settings without the content of any record."""
    AUDITOR = "auditor"
    """`servicecert audit verify`, `export`."""
    ERASER = "eraser"
    """`servicecert erase`."""
    TOPICS_CREATOR = "topics-creator"
    """`servicecert topics create`, `list`."""


_KIB = 1024
PRODUCER_BYTE_RATES = MappingProxyType(
    {
        # Eight times what they write in a backlog: 200 certificates a second, 10 kB each.
        Principal.INTAKE: 16_384 * _KIB,
        Principal.ISSUER: 16_384 * _KIB,
        Principal.REVOKER: 16_384 * _KIB,
        Principal.NOTIFIER: 16_384 * _KIB,
        # Eight of the largest applications, or a thousand usual ones.
        Principal.E_SERVICE: 2_048 * _KIB,
        Principal.REGISTERS_LOADER: 2_048 * _KIB,
        Principal.ERASER: 256 * _KIB,
        # A few events an hour.
        Principal.CANARY: 32 * _KIB,
        Principal.OCSP_RESPONDER: 32 * _KIB,
    }
)
"""How many octets a second who writes may write to each broker (F5): Kafka's `producer_byte_rate`."""
