"""Free TCP ports of the loopback address."""

import socket

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that is free now. Another process can take it before it is used: the caller retries."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
