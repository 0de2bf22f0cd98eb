"""What is at an address, as a client on this machine gets it."""

import json
import urllib.request
from typing import Any


def get(url: str) -> bytes:
    """Return what is at an address. Raises OSError."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        content: bytes = answer.read()
    return content


def get_json(url: str) -> dict[str, Any]:
    """Return the JSON object at an address. Raises OSError and ValueError."""
    found: dict[str, Any] = json.loads(get(url))
    return found


def has_metrics(address: str) -> bool:
    """Return whether a process serves its metrics."""
    return b"servicecert_" in get(f"http://{address}/metrics")


def post(url: str, content: bytes, kind: str) -> bytes:
    """Return the answer to a POST. Raises OSError."""
    request = urllib.request.Request(url, content, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=5) as answer:
        found: bytes = answer.read()
    return found
