"""The identities that a broker tells apart: who writes and reads topics."""

from enum import StrEnum


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
