"""Intake's settings, read from environment variables."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicecert_schemas.membership import MOST_ACCOUNTS

from .domain.registers.snapshot import MOST_ENTRIES


class Settings(BaseSettings):
    """Intake's own settings. `key_lists_dir` holds lists of leaked keys in badkeys' format (A4).

    The others limit what one account or one topic can use up (F5).
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    key_lists_dir: Annotated[
        Path | None,
        Field(
            alias="SERVICECERT_KEY_LISTS_DIR",
            description="a folder of lists of leaked and compromised keys (*.dat); none is looked at without it",
        ),
    ] = None
    most_events: Annotated[
        int,
        Field(
            alias="SERVICECERT_MOST_EVENTS",
            ge=10,
            description="the most events that the users of one account may send in an hour; further ones are refused",
        ),
    ] = 10_000
    most_entries: Annotated[
        int,
        Field(
            alias="SERVICECERT_MOST_ENTRIES",
            ge=1,
            description="the most register entries held in memory, some 2 KB each; further ones are left out",
        ),
    ] = MOST_ENTRIES
    most_accounts: Annotated[
        int,
        Field(
            alias="SERVICECERT_MOST_ACCOUNTS",
            ge=1,
            description="the most customer accounts that intake knows; users of further ones are not invited",
        ),
    ] = MOST_ACCOUNTS
    most_unfinished: Annotated[
        int,
        Field(
            alias="SERVICECERT_MOST_UNFINISHED",
            ge=1,
            description="the most unfinished applications of one account; a further application is refused",
        ),
    ] = 10_000
