"""How many processes of each service a system has, as an operator writes it."""

from collections.abc import Mapping

from servicecert_schemas.topics import SERVICES

OCSP = "ocsp"
"""The name of the OCSP responder's process."""

LAG = "lag"
"""The name of the exporter's process."""

CANARY = "canary"
"""The name of the canary's process."""

MOST = 16
COUNTED = (*SERVICES, OCSP)


def parse_counts(text: str) -> Mapping[str, int]:
    """Return the processes by service, from `2` (of each of the four services) or `issuer=4,notifier=2`.

    What is not named gets one. Raises ValueError: one sentence.
    """
    if "=" not in text:
        return {**dict.fromkeys(SERVICES, _number(text)), OCSP: 1}
    counts: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        if name not in COUNTED:
            raise ValueError(f"{name!r} is no service: use {', '.join(COUNTED)}, as in issuer=4,notifier=2.")
        if name in counts:
            raise ValueError(f"{name} is named twice: give it one number.")
        counts[name] = _number(number)
    return {**dict.fromkeys(COUNTED, 1), **counts}


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST):
        raise ValueError(f"{text!r} is no number of processes: use 1 to {MOST}, or service=number pairs.")
    return int(text)
