"""What a process tolerates although it is not safe: for trials, and said aloud by SERVICECERT_INSECURE (F4)."""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode


class Insecure(StrEnum):
    """An unsafe surrounding in which a process refuses to start unless it is told to tolerate it."""

    BROKER = "broker"
    """The broker is reached in the clear."""
    DATABASE = "database"
    """The database is reached in the clear."""
    RIGHTS = "rights"
    """Broker or database allow more than the process needs."""


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


InsecureSetting = Annotated[
    frozenset[Insecure],
    NoDecode,
    BeforeValidator(_listed),
    Field(
        alias="SERVICECERT_INSECURE",
        description="for trials only, any of broker, database, rights: what is tolerated, of a broker or a database "
        "in the clear, and of rights wider than needed. Without it such a process refuses to start",
    ),
]
