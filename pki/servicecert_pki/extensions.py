"""DER of extensions (RFC 5280, 4.2 and 5.2) that certificates, CRLs and OCSP responses share."""

from functools import lru_cache

from . import der


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """Wrap the DER `value` of an extension; ``critical`` FALSE is the default and is not written."""
    flag = b"\x01\x01\xff" if critical else b""
    return der.sequence(der.oid(dotted), flag, der.tlv(der.OCTET_STRING, value))


def distribution_point_name(url: str) -> bytes:
    """Return the DistributionPointName of a list at one URL (RFC 5280, 4.2.1.13)."""
    return der.tlv(0xA0, der.tlv(0xA0, uri(url)))


def uri(url: str) -> bytes:
    return der.tlv(0x86, url.encode("ascii"))


@lru_cache(maxsize=1024)
def issuing_distribution_point(url: str) -> bytes:
    """RFC 5280, 5.2.5; the URL that a partition's certificates name, and that the list covers no CA certificates."""
    return der.sequence(distribution_point_name(url), der.tlv(0x81, b"\xff"))
