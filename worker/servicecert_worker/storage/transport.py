"""Whether a database is reached in a way that nobody on the network can read or change (F4)."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from ..core.faults import OperatorError


def unreadable_file(url: str) -> str | None:
    """Return a file of TLS that a URL names and that cannot be read, None if all can."""
    query = parse_qs(urlsplit(url).query)
    files = (file for name in ("sslrootcert", "sslcert", "sslkey") for file in query.get(name, ()) if file != "system")
    return next((file for file in files if not os.access(file, os.R_OK)), None)


def is_private(url: str) -> bool:
    """Return whether TLS verifies the server and its name, or the server is on this machine."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if query.get("sslmode") == "verify-full":
        return True
    addresses = parts.netloc.rpartition("@")[2].split(",")
    hosts = [query["host"]] if "host" in query else [urlsplit(f"//{each}").hostname or "" for each in addresses]
    return all(_is_local(unquote(host)) for each in hosts for host in each.split(","))


def require_private(url: str) -> None:
    """Raise `OperatorError` if the connection can be read or changed on its way."""
    if not is_private(url):
        raise OperatorError(
            "DATABASE_URL reaches another machine without verified TLS, and production keys are open: add "
            "?sslmode=verify-full&sslrootcert=FILE, or, for a trial, set SERVICECERT_INSECURE=database."
        )


def _is_local(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
