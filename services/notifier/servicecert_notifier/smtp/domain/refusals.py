"""Whether a mail server refuses a recipient, or us (C3). Pure; the clock is an argument.

A permanent refusal whose code does not tell (`Meaning.UNCLEAR`) never ends a mail at once. It ends it when the mail was
refused for ten minutes, and since its first refusal the same server accepted another mail and did not refuse us. A
server refuses us

- when it says so (`Meaning.US`), until it accepts a mail,
- when in the last half hour it refused recipients of several domains, and of at least as many as it accepted; a domain
  counts by the answer to its last mail,
- when it has refused everything for ten minutes.

Otherwise the mail waits. Each worker decides by what it sees itself: without evidence it waits, so a worker that sees
a part, or has just started, can only decide later.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...domain.relays import Relay
from .answers import Meaning

HOLD = timedelta(minutes=10)
"""How long a mail is refused at least until it ends, and a server accepts nothing until it is said to refuse us."""

WINDOW = timedelta(minutes=30)
"""How long an answer counts: each deferred mail is tried twice in this time."""

SEVERAL = 2
"""How many refused domains are several."""


@dataclass(slots=True)
class _Seen:
    """What a server answered lately.

    `accepted` has its last answer to each domain, the oldest first, and `refused` counts the negative ones.
    `refusing_since` is the first unclear refusal after the last accepted mail, `said_so_at` the last refusal that is
    certainly about us, `refused_us_at` when the server was last found to refuse us.
    """

    accepted: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    refused: int = 0
    accepted_at: datetime | None = None
    refusing_since: datetime | None = None
    said_so_at: datetime | None = None
    refused_us_at: datetime | None = None

    def note(self, domain: str, now: datetime, *, accepted: bool) -> None:
        self._drop(domain)
        self.accepted[domain] = (now, accepted)
        self.refused += not accepted

    def forget(self, now: datetime) -> None:
        while self.accepted and self.accepted[oldest := next(iter(self.accepted))][0] + WINDOW <= now:
            self._drop(oldest)

    def _drop(self, domain: str) -> None:
        _, accepted = self.accepted.pop(domain, (None, True))
        self.refused -= not accepted


class Refusals:
    """The servers' answers of the last half hour, and what they say about a refusal."""

    def __init__(self) -> None:
        self._seen: defaultdict[Relay, _Seen] = defaultdict(_Seen)

    def answered(self, relay: Relay, domain: str, meaning: Meaning, now: datetime) -> None:
        """Record a server's answer to a mail for a recipient of this domain; "" for a refusal of us before any mail."""
        seen = self._seen[relay]
        match meaning:
            case Meaning.TAKEN:
                seen.note(domain, now, accepted=True)
                seen.accepted_at, seen.refusing_since, seen.said_so_at = now, None, None
            case Meaning.UNCLEAR:
                seen.note(domain, now, accepted=False)
                seen.refusing_since = seen.refusing_since or now
            case Meaning.US:
                seen.said_so_at = now
            case _:
                pass
        if self.refuses_us(relay, now):
            seen.refused_us_at = now

    def is_about_the_recipient(self, relay: Relay, since: datetime, now: datetime) -> bool:
        """Return whether an unclear refusal ends a mail that was first refused at `since`.

        What was refused while the server refused us does not count.
        """
        seen = self._seen[relay]
        since = since if seen.refused_us_at is None else max(since, seen.refused_us_at)
        others_are_accepted = seen.accepted_at is not None and seen.accepted_at > since
        return now - since >= HOLD and others_are_accepted

    def refuses_us(self, relay: Relay, now: datetime) -> bool:
        """Return whether a server refuses us.

        It said so, or refuses recipients of several domains, or has refused everything for ten minutes.
        """
        seen = self._seen[relay]
        seen.forget(now)
        said_so = seen.said_so_at is not None and seen.said_so_at + WINDOW > now
        refuses_all = bool(seen.refused) and seen.refusing_since is not None and now - seen.refusing_since >= HOLD
        return said_so or refuses_all or (seen.refused >= SEVERAL and 2 * seen.refused >= len(seen.accepted))
