"""TLS before a PostgreSQL server that was built without it, as our wheel's was: clients see one that has TLS alone.

    python tls_front.py HOST PORT SOCKET CERTIFICATE KEY [CLIENT-CA]

Uses the standard library only. A client that does not ask for TLS is told that the server wants it. With CLIENT-CA each
client must show a certificate of that CA.
"""

import asyncio
import ssl
import struct
import sys
from contextlib import suppress

SSL_REQUEST = struct.pack("!II", 8, 80877103)
_NO_TLS = "no pg_hba.conf entry for host, no encryption"
_NO_CERTIFICATE = "connection requires a valid client certificate"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _refusal(text: str) -> bytes:
    """Return a server's message that it refuses a client (its protocol, ErrorResponse)."""
    fields = f"SFATAL\0C28000\0M{text}\0\0".encode()
    return b"E" + struct.pack("!I", 4 + len(fields)) + fields


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: str, context: ssl.SSLContext
) -> None:
    try:
        if await reader.readexactly(8) != SSL_REQUEST:
            return writer.write(_refusal(_NO_TLS))
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(context)
        if context.verify_mode is not ssl.CERT_NONE and not writer.get_extra_info("peercert"):
            return writer.write(_refusal(_NO_CERTIFICATE))
        from_server, to_server = await asyncio.open_unix_connection(socket)
        await asyncio.gather(_copy(reader, to_server), _copy(from_server, writer))
    except (OSError, EOFError):
        return None
    finally:
        writer.close()


async def run(host: str, port: int, socket: str, certificate: str, key: str, *client_ca: str) -> None:
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    for file in client_ca:
        context.load_verify_locations(file)
        context.verify_mode = ssl.CERT_OPTIONAL

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(reader, writer, socket, context)

    async with await asyncio.start_server(serve, host, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        host, port, *files = sys.argv[1:]
        asyncio.run(run(host, int(port), *files))
