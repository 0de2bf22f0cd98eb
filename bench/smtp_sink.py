"""A fast SMTP server for benchmarks that accepts and discards all mails.

    python bench/smtp_sink.py [--port N] [--certificate PEM --key PEM]

Prints `port N` once it listens and `accepted N` when SIGTERM or SIGINT ends it. It supports EHLO, HELO, MAIL, RCPT,
DATA, RSET, NOOP, QUIT, PIPELINING (RFC 2920) and, with a certificate, STARTTLS (RFC 3207). Of a mail it keeps only the
last bytes, to find its end.
"""

import argparse
import asyncio
import signal
import ssl
from pathlib import Path
from typing import cast

import uvloop

_END = b"\r\n.\r\n"
_REPLIES = {
    b"HELO": b"250 sink\r\n",
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
    b"DATA": b"354 End with a dot\r\n",
}


class Sink(asyncio.Protocol):
    """One client's connection. `accepted` is a list with one number, the count of all connections."""

    def __init__(self, accepted: list[int], tls: ssl.SSLContext | None = None) -> None:
        self._accepted = accepted
        self._tls = tls
        self._starting: asyncio.Task[None] | None = None
        self._buffer = b""
        self._in_content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # The encrypted part of a session follows its greeting.
        if self._starting is None:
            self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answer = bytearray()
        while self._take_content(answer) if self._in_content else self._take_command(answer):
            pass
        if answer:
            self._transport.write(bytes(answer))
        if answer.endswith(_REPLIES[b"QUIT"]):
            self._transport.close()

    def _take_command(self, answer: bytearray) -> bool:
        line, line_end, rest = self._buffer.partition(b"\r\n")
        if not line_end:
            return False
        verb = line[:4].upper()
        if verb == b"STAR" and self._tls is not None:
            self._buffer = b""
            self._starting = asyncio.create_task(self._start_tls(self._tls))
            return False
        if verb == b"EHLO" and self._tls is not None and self._starting is None:
            answer += b"250-sink\r\n250 STARTTLS\r\n"
            self._buffer = rest
            return True
        answer += _REPLIES.get(verb, b"500 5.5.2 Unknown\r\n")
        # The end of the content may follow at once, so the line end before it stays.
        self._in_content = verb == b"DATA"
        self._buffer = b"\r\n" + rest if self._in_content else rest
        return True

    async def _start_tls(self, tls: ssl.SSLContext) -> None:
        self._transport.write(b"220 2.0.0 Go\r\n")
        transport = await asyncio.get_running_loop().start_tls(self._transport, self, tls, server_side=True)
        self._transport = cast(asyncio.Transport, transport)

    def _take_content(self, answer: bytearray) -> bool:
        _, end, rest = self._buffer.partition(_END)
        if not end:
            self._buffer = self._buffer[-len(_END) :]
            return False
        self._buffer, self._in_content = rest, False
        self._accepted[0] += 1
        answer += b"250 2.0.0 Ok: taken\r\n"
        return True


async def serve(port: int, tls: ssl.SSLContext | None) -> None:
    """Listen until SIGTERM or SIGINT."""
    loop, accepted, ended = asyncio.get_running_loop(), [0], asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(lambda: Sink(accepted, tls), "127.0.0.1", port)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    server.close()
    print(f"accepted {accepted[0]}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Accepts and discards every mail.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free port")
    parser.add_argument("--certificate", type=Path, help="offers STARTTLS with this certificate")
    parser.add_argument("--key", type=Path, help="the certificate's key")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)
    uvloop.run(serve(arguments.port, context))
