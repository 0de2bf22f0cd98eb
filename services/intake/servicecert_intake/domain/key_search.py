"""The nightly search for RSA keys that share a prime with another (A4): when it is due, and what it comes to."""

from datetime import datetime, time, timedelta

from pydantic import BaseModel
from servicecert_pki.validity import HELSINKI

from .deadlines import day_of

SEARCH = "shared-primes"
"""The deadline at which the search is due, and the act itself."""

SEARCH_KEY = "keys/shared-primes"
"""The key under which it runs. It is no case's."""

_BEGINS = time(4)


class SearchOrder(BaseModel):
    """Search all keys ever seen."""


class Searched(BaseModel):
    """How many RSA keys were searched, and how many of them share a prime."""

    keys: int
    sharing: int


def next_search(now: datetime) -> datetime:
    """Four o'clock in the next night, in Helsinki."""
    return datetime.combine(day_of(now) + timedelta(days=1), _BEGINS, HELSINKI)
