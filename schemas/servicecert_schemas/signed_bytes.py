"""The bytes of a record that its writer signs (F2): exactly those in Kafka, so that no reader encodes anew."""

from collections.abc import Sequence

SIGNATURE = "servicecert-signature"
"""The header of the signature: 16 digits of the key's id, a colon, and the Ed25519 signature in base64 (RFC 8032)."""

SIGNATURE_FORM = "^([0-9a-f]{16}):([A-Za-z0-9+/]{86}==)$"
"""A regular expression for that header's value."""

_PURPOSE = b"servicecert event v1"


def signed_bytes(
    topic: str, key: bytes | None, headers: Sequence[tuple[str, bytes | None]], value: bytes | None
) -> bytes:
    """Return the bytes to sign: purpose, topic (its catalogue name), key, value, and the headers `ce_*` in their order.

    Each part follows its length in 4 octets, big-endian. A part that the record does not have is empty.
    """
    parts = [_PURPOSE, topic.encode(), key or b"", value or b""]
    for name, raw in headers:
        if name.startswith("ce_"):
            parts += [name.encode(), raw or b""]
    return b"".join(len(part).to_bytes(4) + part for part in parts)
