"""The partitions of a CA's CRL: which one covers a certificate, and the URL of each list (D7).

Partitions are numbered from 1; 0 is the full list, which covers every certificate of its CA. Files are named
``<issuer>.crl`` and ``<issuer>.<partition>.crl``; a CA's name has no dot, so the names are unambiguous.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

FULL = 0
"""The full list, and the partition of a certificate that only the full list covers."""

MOST_PARTITIONS = 1024
"""With more, a list would be so small that fetching it reveals which certificate a relying party checks."""


def http_url(text: str) -> str:
    """Return an http URL, or raise ValueError. https would need another certificate to be fetched (RFC 5280, 8)."""
    if not re.fullmatch(r"http://[!-~]*[!-.0-~]", text):
        raise ValueError(
            "give an address that begins with http:// and ends without a slash, such as http://crl.example.fi"
        )
    return text


HttpUrl = Annotated[str, AfterValidator(http_url)]


def partition_of(serial: int, partitions: int) -> int:
    """Return the partition of a certificate, from 1 to `partitions`, by the last bits of its serial number.

    The bits are random (`serials.draw_serial`), so all lists grow alike. The result depends on `partitions`, so it is
    stored with the certificate and fixed in its CRL distribution point. Raises ValueError for no partitions.
    """
    if partitions < 1:
        raise ValueError("There is at least one partition.")
    return 1 + serial % partitions


def crl_name(issuer: str, partition: int) -> str:
    return f"{issuer}.crl" if partition == FULL else f"{issuer}.{partition}.crl"


def crl_url(base: str, issuer: str, partition: int) -> str:
    """Return the URL of a list: the CRL distribution point in its certificates, and in a partition's list itself."""
    return f"{base}/{crl_name(issuer, partition)}"


def certificate_url(base: str, ca: str) -> str:
    """Return the URL of a CA's certificate: the caIssuers in the certificates that it signs."""
    return f"{base}/{ca}.cer"


def partition_in(url: str, issuer: str) -> int | None:
    """Return the partition of the list at a URL, None for any other file than a list of this CA."""
    match = re.fullmatch(rf"{re.escape(issuer)}(?:\.([1-9][0-9]{{0,3}}))?\.crl", url.rpartition("/")[2])
    partition = int((match and match[1]) or FULL)
    return partition if match and partition <= MOST_PARTITIONS else None
