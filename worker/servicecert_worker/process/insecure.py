"""What an operator may permit for a trial, and a service with production keys refuses without (F4)."""

from enum import StrEnum


class Insecure(StrEnum):
    """A value of SERVICECERT_INSECURE."""

    BROKER = "broker"
    DATABASE = "database"
    RIGHTS = "rights"
