"""Limits what others can hold of us by HTTP: connections, time and memory (F5).

A new connection always gets a place. If its client has too many, or all places are taken, the connection is closed that
has waited or sent for the longest time. A request must be complete, and a response read, within a time.
"""

import asyncio
import logging
import re
import resource
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import Any, NoReturn, cast

_CACHED = 4096


@lru_cache(_CACHED)
def client_of(address: str) -> str:
    """Return the client that limits count: an IPv4 address, or the /64 network of an IPv6 one; else the text itself."""
    parsed = _parsed(address)
    return str(IPv6Network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed or address)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies in front of a server. Only they are believed about whom they forward for."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Proxies":
        """Return the proxies of networks in a text such as `10.0.0.0/8, fd00::/8`. Raises ValueError."""
        return cls(tuple(ip_network(part) for part in re.split(r"[,\s]+", text.strip()) if part))

    def include(self, address: str) -> bool:
        parsed = _parsed(address) if self.networks else None
        return parsed is not None and any(parsed in network for network in self.networks)

    def client(self, peer: str, forwarded: Iterable[str]) -> str:
        """Return the client of a request from `peer` with these X-Forwarded-For headers.

        It is the last address that no proxy of ours has: what stands before it, anybody may have written.
        """
        for address in reversed([part.strip() for header in forwarded for part in header.split(",")]):
            if not self.include(peer) or _parsed(address) is None:
                break
            peer = address
        return client_of(peer)


log = logging.getLogger(__name__)

_FILES = 8_192
_SWEEPS = 4
_LOG_SECONDS = 10.0
_AT_ONCE = struct.pack("ii", 1, 0)


class Closed(StrEnum):
    """Why a connection was closed, as metrics count it."""

    FULL = "full"
    """All places were taken, and this one was held for the longest time."""
    CLIENT = "client"
    """Its client held its share of the places, and this one for the longest time."""
    SLOW = "slow"
    """It had no complete request, or had not read its response, in time."""
    LARGE = "large"
    """It sent more than any request is long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most connections, those of one client, the seconds for a request, and its most octets with its head."""

    most: int
    most_per_client: int
    patience_seconds: float
    most_octets: int = 32 * 1024


@dataclass(eq=False, slots=True)
class _Connection:
    """Since `since` it waits for a request, or sends a response; it may do so until `deadline`."""

    client: str
    transport: asyncio.Transport
    since: float
    deadline: float
    received: int = 0
    is_idle: bool = False
    sender: "asyncio.Task[Any] | None" = None


class Connections:
    """The open connections of one server. A server's protocol is wrapped by `guard`; `watch` runs meanwhile.

    A server that reports nothing has `patience_seconds` for each whole connection. One that calls `answered` after each
    answer has them for each request, and within `sending` other ones for a large response.
    """

    def __init__(self, limits: Limits, proxies: Proxies = Proxies()) -> None:
        self.closed: Counter[Closed] = Counter()
        self._limits = limits
        self._proxies = proxies
        self._open: dict[asyncio.Transport, _Connection] = {}
        self._of: dict[str, dict[_Connection, None]] = {}
        # Each in the order of `since`.
        self._waiting: dict[_Connection, None] = {}
        self._sending: dict[_Connection, None] = {}
        self._logged: Counter[Closed] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def guard(self, protocol: asyncio.Protocol) -> asyncio.Protocol:
        return _Guarded(self, protocol)

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """Take note that a request was answered: the next one has its own time."""
        if (connection := self._find(transport)) is not None:
            connection.received, connection.is_idle = 0, True
            self._wait(connection)

    @contextmanager
    def sending(self, transport: asyncio.BaseTransport | None, seconds: float) -> Iterator[None]:
        """Give a connection this time to read a response."""
        if (connection := self._find(transport)) is not None:
            self._waiting.pop(connection, None)
            connection.since = monotonic()
            connection.deadline = connection.since + seconds
            connection.sender = asyncio.current_task()
            self._sending[connection] = None
        try:
            yield
        finally:
            if connection is not None:
                connection.sender = None
            self.answered(transport)

    async def watch(self) -> NoReturn:
        """Close the connections whose time is over, and log from time to time how many were closed."""
        pause = min(1.0, self._limits.patience_seconds / _SWEEPS)
        log_at = 0.0
        while True:
            await asyncio.sleep(pause)
            self._close_slow(monotonic())
            if self.closed != self._logged and monotonic() >= log_at:
                new = self.closed - self._logged
                self._logged, log_at = Counter(self.closed), monotonic() + _LOG_SECONDS
                log.info("Connections closed", extra={str(reason): count for reason, count in new.items()})

    def _close_slow(self, now: float) -> None:
        late = [connection for connection in self._sending if connection.deadline < now]
        for connection in self._waiting:
            if connection.deadline >= now:
                break
            late.append(connection)
        for connection in late:
            self._close(connection, Closed.SLOW)

    def opened(self, transport: asyncio.Transport) -> _Connection:
        """Give a new connection its place."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        client = client_of(address)
        own = self._of.setdefault(client, {})
        if len(own) >= self._limits.most_per_client and not self._proxies.include(address):
            self._close(min(own, key=lambda it: it.since), Closed.CLIENT)
        if len(self._open) >= self._limits.most:
            first = (next(iter(each), None) for each in (self._waiting, self._sending))
            self._close(min((it for it in first if it is not None), key=lambda it: it.since), Closed.FULL)
        connection = _Connection(client, transport, 0.0, 0.0)
        self._open[transport] = connection
        self._of.setdefault(client, {})[connection] = None
        self._wait(connection)
        return connection

    def received(self, connection: _Connection, octets: int) -> bool:
        """Return whether the connection may send that many octets more."""
        if connection.is_idle:
            connection.is_idle = False
            self._wait(connection)
        connection.received += octets
        if connection.received > self._limits.most_octets:
            self._close(connection, Closed.LARGE)
            return False
        return True

    def lost(self, connection: _Connection) -> None:
        """Give the place of a closed connection back."""
        if self._open.pop(connection.transport, None) is None:
            return
        self._waiting.pop(connection, None)
        self._sending.pop(connection, None)
        own = self._of[connection.client]
        del own[connection]
        if not own:
            del self._of[connection.client]

    def _find(self, transport: asyncio.BaseTransport | None) -> _Connection | None:
        return None if transport is None else self._open.get(cast("asyncio.Transport", transport))

    def _wait(self, connection: _Connection) -> None:
        self._sending.pop(connection, None)
        self._waiting.pop(connection, None)
        connection.since = monotonic()
        connection.deadline = connection.since + self._limits.patience_seconds
        self._waiting[connection] = None

    def _close(self, connection: _Connection, reason: Closed) -> None:
        self.closed[reason] += 1
        log.debug("Connection closed", extra={"reason": str(reason)})
        self.lost(connection)
        if connection.sender is not None:
            # A file that the system sends by itself would wait for ever.
            connection.sender.cancel()
        if (bound := connection.transport.get_extra_info("socket")) is not None:
            # Without this the system keeps what is not read yet, for a client that may never read it.
            with suppress(OSError):
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        connection.transport.abort()


class _Guarded(asyncio.Protocol):
    __slots__ = ("_connection", "_connections", "_protocol")

    def __init__(self, connections: Connections, protocol: asyncio.Protocol) -> None:
        self._connections = connections
        self._protocol = protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._connection = self._connections.opened(cast("asyncio.Transport", transport))
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._connections.received(self._connection, len(data)):
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.lost(self._connection)
        self._protocol.connection_lost(exc)


async def at_most(octets: int, pieces: AsyncIterable[bytes]) -> bytes | None:
    """Return what arrives in pieces, None once it is more: who sends it chooses how much that is."""
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > octets:
            return None
    return bytes(content)


def raise_file_limit() -> None:
    """Allow the process the files that a burst of connections needs, as far as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
