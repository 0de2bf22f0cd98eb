"""Intake's settings, read from environment variables."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicecert_schemas.membership import MOST_ACCOUNTS

from .domain.registers.snapshot import MOST_ENTRIES


class Settings(BaseSettings):
    """Intake's own settings. `key_lists_dir` holds lists of leaked keys in badkeys' format (A4).

    The others limit what one account or one topic can use up (F5).
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    key_lists_dir: Path | None = Field(None, alias="SERVICECERT_KEY_LISTS_DIR")
    """a folder of lists of leaked and compromised keys (*.dat); none is looked at without it"""
    most_events: int = Field(10_000, alias="SERVICECERT_MOST_EVENTS", ge=10)
    """the most events that the users of one account may send in an hour; further ones are refused"""
    most_entries: int = Field(MOST_ENTRIES, alias="SERVICECERT_MOST_ENTRIES", ge=1)
    """the most register entries held in memory, some 2 KB each; further ones are left out"""
    most_accounts: int = Field(MOST_ACCOUNTS, alias="SERVICECERT_MOST_ACCOUNTS", ge=1)
    """the most customer accounts that intake knows; users of further ones are not invited"""
    most_unfinished: int = Field(10_000, alias="SERVICECERT_MOST_UNFINISHED", ge=1)
    """the most unfinished applications of one account; a further application is refused"""
