"""Errors of starting parts.

DeployError
├── MissingPart      the machine lacks something: a wheel, the network
├── TokenMissing     no SoftHSM2, and none can be fetched
├── TamperedJar      a jar whose SHA-256 is not the listed one
└── StartFailed      a process ended, or did not answer in time
    └── PortTaken    another process uses the address
"""

import os


class DeployError(Exception):
    """One sentence for a person: what is wrong, and what to do."""

    exit_code = os.EX_UNAVAILABLE


class MissingPart(DeployError):
    """The machine lacks what an embedded part needs."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL to a broker and a database of your own,"
            " or start them with docker-compose.yml."
        )


class TokenMissing(DeployError):
    """There is no SoftHSM2, and none can be fetched."""


class TamperedJar(DeployError):
    """A jar in the cache, or a fetched one, is not the listed one."""


class StartFailed(DeployError):
    """A started process ended at once or did not become ready in time."""


class PortTaken(StartFailed):
    """The process ended because its address is in use."""
