"""Sending many refused mails again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from servicecert_notifier.operator.mail_rows import find
from servicecert_notifier.operator.refused_mails import Obstacle, RefusedMail, refused_mails, resend

from ..connections.schema import connected
from ..faults import unknown

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Resending:
    """The refused mails that were found, and how many of them are requested again."""

    mails: Sequence[RefusedMail]
    requested: int

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        """Return how many mails are or would be sent, by kind and the recipients' domain."""
        counted = Counter((mail.kind, str(mail.domain)) for mail in self.mails if mail.obstacle is None)
        return [(kind, f"***@{domain}", mails) for (kind, domain), mails in sorted(counted.items())]

    @property
    def obstacles(self) -> dict[Obstacle, int]:
        """Return how many mails are not sent, by reason."""
        return dict(Counter(mail.obstacle for mail in self.mails if mail.obstacle is not None))


async def resend_refused(url: str, since: datetime, relay: str | None, reason: str, *, yes: bool) -> Resending:
    """Find the refused mails, and with `yes` request them again. Raises UserError, OperatorError."""
    async with connected(url, "notifier") as connection:
        mails = await refused_mails(connection, since, relay)
        if relay is not None and not mails:
            servers = {str(row.relay) for row in await find(connection, state="refused", limit=_MOST)}
            if not any(server == relay or server.rpartition(":")[0] == relay for server in servers):
                raise unknown("mail server that refused a mail", [relay], sorted(servers))
        sendable = [mail for mail in mails if mail.obstacle is None]
        return Resending(mails, await resend(connection, sendable, reason) if yes else 0)
