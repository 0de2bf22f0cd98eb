"""The mail servers that mails are handed to: which one is next, after some have failed. Pure; the clock is an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(:(?P<port>[0-9]{1,5}))?")

REST_SECONDS = 30.0
"""How long a server that failed is passed over where another is there."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server."""

    host: str
    port: int

    @staticmethod
    def read_all(text: str, port: int) -> tuple[Relay, ...]:
        """Reads `host`, `host:port` or `[IPv6]:port`, with commas between; `port` is for those without. Raises `ValueError` with a sentence."""
        found: list[Relay] = []
        for part in text.split(","):
            place = _PLACE.fullmatch(part.strip())
            number = int(place["port"] or port) if place else 0
            if place is None or not 1 <= number <= 65_535:
                raise ValueError("is not a list of mail servers: write host or host:port, with commas between")
            found.append(Relay(place["host"].strip("[]"), number))
        return tuple(dict.fromkeys(found))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Relays:
    """Which of several mail servers is asked. The first of the list is asked whenever it has not failed lately."""

    def __init__(self, relays: tuple[Relay, ...]) -> None:
        self.all = relays
        self._rests_until: dict[Relay, float] = {}
        self._refusals: dict[Relay, tuple[float, str]] = {}

    def preferred(self, now: float) -> tuple[Relay, ...]:
        """All of them in the order in which they are to be asked: who failed lately comes last, the longest ago first."""
        return tuple(sorted(self.all, key=lambda relay: max(0.0, self._rests_until.get(relay, 0.0) - now)))

    def rest(self, now: float) -> bool:
        """Whether all of them failed lately."""
        return all(self._rests_until.get(relay, 0.0) > now for relay in self.all)

    def failed(self, relay: Relay, now: float) -> None:
        """Says that a server did not answer, or ended a conversation."""
        self._rests_until[relay] = now + REST_SECONDS

    def refused(self, relay: Relay, why: str, now: float) -> None:
        """Says that a server refused our login: it is not asked again before it has rested, also where no other is there."""
        self._refusals[relay] = (now + REST_SECONDS, why)

    def refusal(self, relay: Relay, now: float) -> str | None:
        """Why a server is not to be asked yet, or None."""
        until, why = self._refusals.get(relay, (now, ""))
        return why if until > now else None

    def answered(self, relay: Relay) -> None:
        """Says that a server opened a conversation."""
        self._rests_until.pop(relay, None)
