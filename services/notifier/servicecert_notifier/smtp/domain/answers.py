"""SMTP commands, and what a server's replies mean for a mail (RFC 5321, RFC 3463). Pure."""

import re
from dataclasses import dataclass
from enum import Enum, auto

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")

_SETUP_FAULTS = frozenset((454, 530, 534, 535, 538))
"""Replies that require a login or encryption (RFC 4954 section 6, RFC 3207 section 4), or refuse to relay for now."""

_TOO_LARGE = 552
"""The reply that refuses the size of the mail (RFC 1870 section 6), or a mailbox that is full."""

_MAIL_STATUS = re.compile(r"5\.(1\.[1-6]|1\.10|2\.[1-4]|3\.4)")
"""The enhanced statuses of this recipient's address or mailbox, and of this mail's size (RFC 3463, RFC 7505)."""

_SENDER_STATUS = frozenset(("5.1.7", "5.1.8"))
"""The enhanced statuses of the sender's address. Servers give them at any step."""

_MAIL_TOO_LARGE = "5.3.4"
_POLICY = "5.7."

_SYSTEM_FAULT = "4.3."
"""The prefix of an enhanced status for a temporary fault of the server, such as a full disk (RFC 3463 section 3.4)."""


class Step(Enum):
    """The command that a reply answers: MAIL, RCPT, DATA."""

    SENDER = auto()
    RECIPIENT = auto()
    CONTENT = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a command: its code, and the enhanced status code if any (RFC 3463). The text is dropped."""

    code: int
    enhanced: str = ""

    @staticmethod
    def read(code: int, text: str) -> "Reply":
        """Return the reply; of its lines of text the last counts. Raise `ValueError` for a code that SMTP has not."""
        if not 200 <= code < 600:
            raise ValueError("is not an SMTP reply")
        enhanced = _ENHANCED.match(text.rpartition("\n")[2])
        return Reply(code, enhanced[0] if enhanced else "")

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".rstrip()


class Meaning(Enum):
    """What an answer says about a mail.

    `MAIL`: this recipient or mail is refused for good. `US`: the server refuses our sender, login, encryption or
    relaying, whatever the mail. `UNCLEAR`: a permanent refusal that may be either, such as 5.7.1: see `refusals`.
    """

    TAKEN = auto()
    LATER = auto()
    MAIL = auto()
    US = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to a mail: the reply that ended the transaction."""

    step: Step
    reply: Reply

    @property
    def meaning(self) -> Meaning:
        """Return what the code, the enhanced status and the step say. MAIL names the sender only: it is about us."""
        code, status = self.reply.code, self.reply.enhanced
        if self.reply.positive:
            return Meaning.TAKEN
        if code in _SETUP_FAULTS or status in _SENDER_STATUS:
            return Meaning.US
        if code < 500:
            return Meaning.LATER
        if code == _TOO_LARGE and not status.startswith(_POLICY):
            return Meaning.MAIL
        if self.step is Step.SENDER:
            return Meaning.MAIL if status == _MAIL_TOO_LARGE else Meaning.US
        return Meaning.MAIL if _MAIL_STATUS.fullmatch(status) else Meaning.UNCLEAR

    @property
    def is_server_fault(self) -> bool:
        """Return whether the reason is the server or our setup, not the mail: another server may take it."""
        meaning = self.meaning
        refuses_sender = self.step is Step.SENDER and meaning is Meaning.LATER
        return meaning is Meaning.US or refuses_sender or self.reply.enhanced.startswith(_SYSTEM_FAULT)


@dataclass(frozen=True, slots=True)
class Offers:
    """The extensions in a server's answer to EHLO."""

    size: bool = False
    dsn: bool = False
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of a mail. A bounce repeats `id` (RFC 3461). The recipient may be beyond ASCII (RFC 6531)."""

    sender: str
    recipient: str
    id: str

    def commands(self, size: int, offers: Offers) -> dict[Step, bytes]:
        """Return MAIL, RCPT and DATA, with the parameters that the server offers. The sender is ASCII."""
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
    """Return a message with CRLF line ends for DATA: leading dots doubled, a lone dot last (RFC 5321 section 4.5.2)."""
    dotted = message.replace(b"\r\n.", b"\r\n..")
    return b"%b%b.\r\n" % (b"." if dotted.startswith(b".") else b"", dotted)
