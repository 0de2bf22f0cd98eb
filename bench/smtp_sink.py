"""A fast SMTP server for benchmarks that accepts and discards all mails.

Prints `port N` once it listens and `accepted N` when SIGTERM or SIGINT ends it. It supports EHLO, HELO, MAIL, RCPT,
DATA, RSET, NOOP, QUIT and PIPELINING (RFC 2920). Of a mail it keeps only the last bytes, to find its end.
"""

import asyncio
import signal
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

    def __init__(self, accepted: list[int]) -> None:
        self._accepted = accepted
        self._buffer = b""
        self._in_content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
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
        answer += _REPLIES.get(verb, b"500 5.5.2 Unknown\r\n")
        # The end of the content may follow at once, so the line end before it stays.
        self._in_content = verb == b"DATA"
        self._buffer = b"\r\n" + rest if self._in_content else rest
        return True

    def _take_content(self, answer: bytearray) -> bool:
        _, end, rest = self._buffer.partition(_END)
        if not end:
            self._buffer = self._buffer[-len(_END) :]
            return False
        self._buffer, self._in_content = rest, False
        self._accepted[0] += 1
        answer += b"250 2.0.0 Ok: taken\r\n"
        return True


async def serve() -> None:
    """Listen until SIGTERM or SIGINT."""
    loop, accepted, ended = asyncio.get_running_loop(), [0], asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(lambda: Sink(accepted), "127.0.0.1", 0)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    server.close()
    print(f"accepted {accepted[0]}", flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
