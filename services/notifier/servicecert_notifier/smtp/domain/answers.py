"""What is asked of a mail server and what its answers mean for a mail (RFC 5321, RFC 3463). Pure."""

import re
from dataclasses import dataclass
from enum import Enum, auto

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")

_OURS_TO_MEND = frozenset((454, 530, 534, 535, 538))
"""Replies that ask for a login or an encrypted connection (RFC 4954 section 6, RFC 3207 section 4): ours to mend, so no mail is refused for them."""

_TOO_LARGE = 552
"""The reply to MAIL that refuses the mail for its size (RFC 1870 section 6), and not its sender."""

_SYSTEM_TROUBLE = "4.3."
"""How an enhanced status begins that tells of a temporary trouble of the server itself, as a full disk (RFC 3463 section 3.4)."""


class Step(Enum):
    """What a reply answers."""

    SENDER = auto()
    RECIPIENT = auto()
    CONTENT = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to one command: its code, and the enhanced status code if it has one (RFC 3463). The server's words are dropped here."""

    code: int
    enhanced: str = ""

    @staticmethod
    def read(code: int, text: str) -> "Reply":
        """Reads a code with its lines of text, of which the last counts. Raises `ValueError` where it is no reply of SMTP."""
        if not 200 <= code < 600:
            raise ValueError("is no reply of SMTP")
        enhanced = _ENHANCED.match(text.rpartition("\n")[2])
        return Reply(code, enhanced[0] if enhanced else "")

    @property
    def positive(self) -> bool:
        """Whether the command succeeded (RFC 5321 section 4.2.1)."""
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".rstrip()


@dataclass(frozen=True, slots=True)
class Answer:
    """How the server answered a mail: the reply that ended the transaction, for better or worse."""

    step: Step
    reply: Reply

    @property
    def is_ours_to_mend(self) -> bool:
        """Whether the server takes nothing from us, for now or at all: what it says to MAIL, other than that this mail is too large, or of our login."""
        code = self.reply.code
        return code in _OURS_TO_MEND or (self.step is Step.SENDER and not self.reply.positive and code != _TOO_LARGE)

    @property
    def takes_no_mail(self) -> bool:
        """Whether it is about the server or about us, and not about the mail: another server may take it."""
        return self.is_ours_to_mend or self.reply.enhanced.startswith(_SYSTEM_TROUBLE)


@dataclass(frozen=True, slots=True)
class Offers:
    """What a server said to EHLO that it can do."""

    size: bool = False
    dsn: bool = False
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is told beside a mail: `id` comes back with a bounce (RFC 3461). An address may have a local part that is not ASCII (RFC 6531)."""

    sender: str
    recipient: str
    id: str

    def commands(self, size: int, offers: Offers) -> dict[Step, bytes]:
        """MAIL, RCPT and DATA, with the parameters that the server offers. The sender is ASCII."""
        mail, rcpt = f"MAIL FROM:<{self.sender}>", f"RCPT TO:<{self.recipient}>"
        if offers.size:
            mail += f" SIZE={size}"
        if not self.recipient.isascii():
            mail += " SMTPUTF8 BODY=8BITMIME"
        if offers.dsn:
            mail += f" RET=HDRS ENVID={self.id}"
            rcpt += " NOTIFY=FAILURE"
        return {Step.SENDER: mail.encode(), Step.RECIPIENT: rcpt.encode(), Step.CONTENT: b"DATA"}


def stuffed(message: bytes) -> bytes:
    """The content as DATA carries it: leading dots doubled, a lone dot behind (RFC 5321 section 4.5.2). `message` has CRLF line ends."""
    dotted = message.replace(b"\r\n.", b"\r\n..")
    return b"%b%b.\r\n" % (b"." if dotted.startswith(b".") else b"", dotted)
