"""Who a client of an HTTP server is: its address, or its network where each has addresses without number. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_CACHED = 4096


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return networks from a text such as `10.0.0.0/8, fd00::/8`. Raises ValueError."""
    return tuple(ip_network(part) for part in re.split(r"[,\s]+", text.strip()) if part)


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
        """Return the proxies of these networks. Raises ValueError."""
        return cls(networks(text))

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
