#!/usr/bin/env python3
"""Asks a broker which requests it takes (ApiVersions, version 0), as the tool of this name does."""

import socket
import sys

host, port = sys.argv[sys.argv.index("--bootstrap-server") + 1].rsplit(":", 1)
with socket.create_connection((host, int(port)), timeout=2) as connection:
    connection.sendall(bytes.fromhex("0000000a0012000000000001ffff"))
    sys.exit(len(connection.recv(4)) != 4)
