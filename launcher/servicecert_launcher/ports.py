"""Free TCP ports of the loopback address."""

import socket
from collections.abc import Callable

HOST = "127.0.0.1"

FreePort = Callable[[], int]


def free_port() -> int:
    """Return a port that is free now. Another process can take it before it is used: the caller retries."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
