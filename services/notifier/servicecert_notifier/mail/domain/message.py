"""A mail as bytes: RFC 5322 headers and MIME parts (RFC 2045 to 2047, 2183).

They are assembled without the standard library's slow message objects. A header value is either printable ASCII or an
encoded word, so no input can end a line. Bodies are quoted-printable or base64, where `=_` cannot occur, so no part can
contain a boundary, which begins with it.
"""

import re
from base64 import b64encode
from binascii import b2a_base64, b2a_qp
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from textwrap import TextWrapper
from unicodedata import normalize
from uuid import UUID

from servicecert_schemas.certificate import Recipient
from servicecert_schemas.characters import one_line
from servicecert_schemas.values import Language

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62})?)*")
_LINE = re.compile(rb".{1,76}")
_PRINTABLE = re.compile(r"[ -~]*")
_WORD_OCTETS = 39
"""Octets in one encoded word, so that it fits after a header's name in 76 characters (RFC 2047 section 2)."""

# Up to the end of the line, else of a word, else of a part of an address or a fingerprint, else as much as fits.
_PIECE = re.compile(r".{1,74}$|.{1,74}(?<= )|.{1,74}(?<=[/:])|.{1,74}", re.DOTALL)
_STUFFED = re.compile(r"(?m)^(?= |>|From )")
_COMMAND = TextWrapper(75, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False)

_ENCODING = b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_TEXT = b"Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes" + _ENCODING
_PAGE = b"Content-Type: text/html; charset=utf-8" + _ENCODING


class UnsendableAddress(ValueError):
    """An address that SMTP without SMTPUTF8 (RFC 6531) cannot carry. The message does not contain it."""


def mailbox(address: str, *, utf8: bool = False) -> str:
    """Return an address in the syntax of RFC 5321 and 5322: the domain in A-labels, the local part quoted if necessary.

    With `utf8` the local part may have characters beyond ASCII (RFC 6531). Raise `UnsendableAddress`.
    """
    local, at, domain = address.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        raise UnsendableAddress("The address has a domain that is no domain name.") from None
    if not at or not local or not _DOMAIN.fullmatch(ascii_domain):
        raise UnsendableAddress("The address is not of the form name@domain.")
    if _DOT_ATOM.fullmatch(local) or (utf8 and _is_international(local)):
        return f"{local}@{ascii_domain}"
    if not _PRINTABLE.fullmatch(local):
        raise UnsendableAddress("The address has a character before the @ that is not ASCII.")
    return f"{_quoted(local)}@{ascii_domain}"


def _is_international(local: str) -> bool:
    """Return whether a local part is a dot-atom beyond ASCII (RFC 6531 section 3.3), in NFC (RFC 6530 section 10.1)."""
    atoms = "".join("a" if not c.isascii() and c.isprintable() else c for c in local)
    return not local.isascii() and normalize("NFC", local) == local and _DOT_ATOM.fullmatch(atoms) is not None


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of mails. `header` is the value of From; Message-IDs end in `domain`."""

    address: str
    domain: str
    header: bytes

    @staticmethod
    def of(address: str, name: str) -> "Sender":
        """Return the sender of a name and its address. Raise `UnsendableAddress`."""
        checked = mailbox(address)
        return Sender(checked, checked.rpartition("@")[2], _header_mailbox(name, checked))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: a safe ASCII name, its media type, its content as a MIME body in base64."""

    name: str
    media_type: str
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """The content of a mail: subject, the same body as text and as HTML with line feeds, and attachments."""

    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()


def flowed(text: str) -> str:
    """Return a text in lines of at most 78 characters (RFC 5322, 2.1.1), as `format=flowed; delsp=yes` (RFC 3676).

    A mail program that knows the format joins them again to the same text.

    A command, which four spaces begin, has the shell's own continuation instead, so that it runs as every program
    shows it, and a word of it is never divided.
    """
    return _STUFFED.sub(" ", "\n".join(map(_shorter, text.split("\n"))))


def _shorter(line: str) -> str:
    if line.startswith("    "):
        return " \\\n".join(_COMMAND.wrap(line))
    return " \n".join(_PIECE.findall(line.rstrip(" ")))


def encoded(content: bytes) -> bytes:
    """Return content as a MIME body in base64, in lines of 76 characters (RFC 2045 section 6.8)."""
    return in_lines(b2a_base64(content, newline=False))


def in_lines(base64: bytes) -> bytes:
    return b"\r\n".join(_LINE.findall(base64))


@lru_cache(maxsize=32)
def _quoted_printable(text: str) -> bytes:
    """Return text in UTF-8 and quoted-printable (RFC 2045 section 6.7), with CRLF line ends only.

    It stays readable in a stored mail. The cache encodes it once for the recipients of a case.
    """
    # The encoder uses the line end of the first line.
    return b2a_qp(b"\r\n" + text.replace("\r", "").replace("\n", "\r\n").encode())[2:]


def compose(
    letter: Letter, sender: Sender, recipient: Recipient, mail_id: UUID, date: datetime, language: Language
) -> bytes:
    """Return the mail, before dot-stuffing. The same arguments give the same bytes. Raise `UnsendableAddress`."""
    head = b"\r\n".join(
        (
            b"From: " + sender.header,
            b"To: " + _header_mailbox(recipient.name or "", mailbox(recipient.email, utf8=True)),
            b"Subject: " + _unstructured(one_line(letter.subject)),
            b"Date: " + format_datetime(date.astimezone(UTC)).encode(),
            f"Message-ID: <{mail_id}@{sender.domain}>".encode(),
            b"MIME-Version: 1.0",
            b"Auto-Submitted: auto-generated",
            b"Content-Language: " + language.encode(),
            b"",
        )
    )
    inner, outer = f"=_{mail_id.hex}_body".encode(), f"=_{mail_id.hex}_mail".encode()
    body = _multipart(
        b"alternative", inner, (_TEXT + _quoted_printable(flowed(letter.text)), _PAGE + _quoted_printable(letter.html))
    )
    if not letter.attachments:
        return head + body
    return head + _multipart(b"mixed", outer, (body, *map(_file, letter.attachments)))


def _multipart(kind: bytes, boundary: bytes, parts: tuple[bytes, ...]) -> bytes:
    opening = b'Content-Type: multipart/%b;\r\n boundary="%b"\r\n\r\n--%b\r\n' % (kind, boundary, boundary)
    return opening + (b"\r\n--%b\r\n" % boundary).join(parts) + b"\r\n--%b--\r\n" % boundary


def _file(attachment: Attachment) -> bytes:
    name = attachment.name.encode("ascii")
    return (
        b'Content-Type: %b;\r\n name="%b"\r\nContent-Disposition: attachment;\r\n filename="%b"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n%b"
        % (attachment.media_type.encode("ascii"), name, name, attachment.encoded)
    )


def _header_mailbox(name: str, address: str) -> bytes:
    """Return a mailbox for a header. Beyond ASCII it is UTF-8 (RFC 6532), sent only to servers that offer SMTPUTF8."""
    shown = one_line(name)
    if not shown:
        return address.encode()
    words = _quoted(shown).encode("ascii") if _is_plain(shown) else _encoded_words(shown)
    return words + f"\r\n <{address}>".encode()


def _unstructured(text: str) -> bytes:
    return text.encode("ascii") if _is_plain(text) else _encoded_words(text)


def _is_plain(text: str) -> bool:
    return len(text) <= 64 and "=?" not in text and _PRINTABLE.fullmatch(text) is not None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _encoded_words(text: str) -> bytes:
    """Return text in base64 encoded words, each of whole characters (RFC 2047 section 5), one a line."""
    octets, words, start = text.encode(), [], 0
    while start < len(octets):
        end = min(start + _WORD_OCTETS, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        words.append(b"=?utf-8?b?" + b64encode(octets[start:end]) + b"?=")
        start = end
    return b"\r\n ".join(words)
