"""Free TCP ports of the loopback address."""

import socket
from collections.abc import Callable

HOST = "127.0.0.1"

FreePort = Callable[[], int]


def free_port() -> int:
    """A port that nobody listens on now. Another process can take it before it is used: whoever uses it retries."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
