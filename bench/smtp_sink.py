"""A fast SMTP server for benchmarks that accepts and discards all mails, and prints `port N` once it listens.

It supports EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP, QUIT and PIPELINING (RFC 2920).
"""

import asyncio

import uvloop

_LINE_END = b"\r\n"
_DOT = b"." + _LINE_END
_LARGEST_PIECE = 1 << 24
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


async def talk(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
    answers.write(b"220 sink ESMTP\r\n")
    verb = b""
    while verb != b"QUIT" and (line := await client.readline()):
        verb = line[:4].upper().rstrip()
        answers.write(_REPLIES.get(verb, b"500 5.5.2 Unknown\r\n"))
        if verb == b"DATA":
            read = _LINE_END
            while not read.endswith(_LINE_END + _DOT):
                read = read[-2:] + await client.readuntil(_DOT)
            answers.write(b"250 2.0.0 Ok: taken\r\n")
    answers.close()


async def serve() -> None:
    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=_LARGEST_PIECE)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
