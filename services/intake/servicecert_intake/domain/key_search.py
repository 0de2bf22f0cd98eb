"""The nightly search for RSA keys that share a prime with another (A4): its schedule, order and result."""

from datetime import datetime, time, timedelta

from pydantic import BaseModel
from servicecert_pki.validity import HELSINKI

from .deadlines import day_of

SEARCH = "shared-primes"
"""The kind of the deadline and of the intent."""

SEARCH_KEY = "keys/shared-primes"
"""The key under which it runs; no case has it."""

_BEGINS = time(4)


class SearchOrder(BaseModel):
    """An order to search all keys ever seen."""


class Searched(BaseModel):
    """The number of RSA keys searched, and how many of them share a prime."""

    keys: int
    sharing: int


def next_search(now: datetime) -> datetime:
    """Return four o'clock in the next night, in Helsinki."""
    return datetime.combine(day_of(now) + timedelta(days=1), _BEGINS, HELSINKI)
