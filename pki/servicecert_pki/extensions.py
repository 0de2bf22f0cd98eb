"""DER of the certificate extensions of RFC 5280, 4.2, as far as service certificates have them.

Each function but `extension` returns an extension's value, without its OID and criticality. Values that many
certificates share are cached.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from . import der
from .profile import KeyUsage, Usage

# The bit numbers of RFC 5280, 4.2.1.3, and the key purposes of 4.2.1.12.
_KEY_USAGE_BIT = {KeyUsage.DIGITAL_SIGNATURE: 0, KeyUsage.NON_REPUDIATION: 1, KeyUsage.KEY_ENCIPHERMENT: 2}
_PURPOSE = {Usage.SERVER_AUTH: "1.3.6.1.5.5.7.3.1", Usage.CLIENT_AUTH: "1.3.6.1.5.5.7.3.2"}

_DNS_NAME = 0x82
_URI = 0x86
_IP_ADDRESS = 0x87


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """Wrap the DER `value` of an extension; ``critical`` FALSE is the default and is not written."""
    flag = b"\x01\x01\xff" if critical else b""
    return der.sequence(der.oid(dotted), flag, der.tlv(der.OCTET_STRING, value))


def subject_key_identifier(key_id: bytes) -> bytes:
    """RFC 5280, 4.2.1.2."""
    return der.tlv(der.OCTET_STRING, key_id)


@lru_cache(maxsize=64)
def key_usage(usages: frozenset[KeyUsage]) -> bytes:
    """RFC 5280, 4.2.1.3."""
    return der.named_bits(*(_KEY_USAGE_BIT[usage] for usage in usages))


@lru_cache(maxsize=64)
def extended_key_usage(usages: frozenset[Usage]) -> bytes:
    """RFC 5280, 4.2.1.12; the purposes in their numbers' order."""
    return der.sequence(*(der.oid(purpose) for purpose in sorted(_PURPOSE[it] for it in usages)))


@lru_cache(maxsize=64)
def certificate_policies(policy: str) -> bytes:
    """RFC 5280, 4.2.1.4; one policy without qualifiers."""
    return der.sequence(der.sequence(der.oid(policy)))


def subject_alternative_name(dns: tuple[str, ...], ip: tuple[IPv4Address | IPv6Address, ...]) -> bytes:
    """RFC 5280, 4.2.1.6."""
    names = [der.tlv(_DNS_NAME, name.encode("ascii")) for name in dns]
    addresses = [der.tlv(_IP_ADDRESS, address.packed) for address in ip]
    return der.sequence(*names, *addresses)


def end_entity() -> bytes:
    """RFC 5280, 4.2.1.9; CA:FALSE, in DER an empty SEQUENCE."""
    return der.sequence()


@lru_cache(maxsize=1024)
def crl_distribution_points(url: str) -> bytes:
    """RFC 5280, 4.2.1.13; one point with one URL."""
    full_name = der.tlv(0xA0, der.tlv(_URI, url.encode("ascii")))
    return der.sequence(der.sequence(der.tlv(0xA0, full_name)))


@lru_cache(maxsize=1024)
def issuing_distribution_point(url: str) -> bytes:
    """RFC 5280, 5.2.5; the URL that a partition's certificates name, and that the list covers no CA certificates."""
    full_name = der.tlv(0xA0, der.tlv(_URI, url.encode("ascii")))
    return der.sequence(der.tlv(0xA0, full_name), der.tlv(0x81, b"\xff"))


@lru_cache(maxsize=64)
def authority_information_access(ca_issuers_url: str, ocsp_url: str | None) -> bytes:
    """RFC 5280, 4.2.2.1; the OCSP responder, if any, before the issuer's certificate."""
    methods = [("1.3.6.1.5.5.7.48.1", ocsp_url)] if ocsp_url else []
    methods.append(("1.3.6.1.5.5.7.48.2", ca_issuers_url))
    return der.sequence(*(der.sequence(der.oid(method), der.tlv(_URI, url.encode("ascii"))) for method, url in methods))
