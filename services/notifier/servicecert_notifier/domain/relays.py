"""The mail servers, and which is next after a failure. Pure; the clock is an argument."""

import re
from dataclasses import dataclass

_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(:(?P<port>[0-9]{1,5}))?")

BACKOFF_SECONDS = 30.0
"""How long a failed server is tried last, and one that refused our login not at all."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server."""

    host: str
    port: int

    @staticmethod
    def read_all(text: str, port: int) -> "tuple[Relay, ...]":
        """Return the servers in a list of `host`, `host:port`, `[IPv6]:port`. Raise `ValueError` with a sentence."""
        relays: list[Relay] = []
        for part in text.split(","):
            match = _HOST_AND_PORT.fullmatch(part.strip())
            number = int(match["port"] or port) if match else 0
            if match is None or not 1 <= number <= 65_535:
                raise ValueError("is not a list of mail servers: write host or host:port, with commas between")
            relays.append(Relay(match["host"].strip("[]"), number))
        return tuple(dict.fromkeys(relays))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Relays:
    """The choice among several mail servers: the first of the list unless it failed recently."""

    def __init__(self, relays: tuple[Relay, ...]) -> None:
        self.all = relays
        self._failed_until: dict[Relay, float] = {}
        self._refusals: dict[Relay, tuple[float, str]] = {}

    def preferred(self, now: float) -> "tuple[Relay, ...]":
        """Return all servers in the order to try them: those that failed recently last, the earliest failure first."""
        return tuple(sorted(self.all, key=lambda relay: max(0.0, self._failed_until.get(relay, 0.0) - now)))

    def all_failed(self, now: float) -> bool:
        return all(self._failed_until.get(relay, 0.0) > now for relay in self.all)

    def failed(self, relay: Relay, now: float) -> None:
        self._failed_until[relay] = now + BACKOFF_SECONDS

    def login_refused(self, relay: Relay, reason: str, now: float) -> None:
        """Record that a server refused our login: it is not tried before the backoff ends, even as the only one."""
        self._refusals[relay] = (now + BACKOFF_SECONDS, reason)

    def refusal(self, relay: Relay, now: float) -> str | None:
        until, reason = self._refusals.get(relay, (now, ""))
        return reason if until > now else None

    def answered(self, relay: Relay) -> None:
        self._failed_until.pop(relay, None)
