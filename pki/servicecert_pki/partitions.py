"""The partitions of a CA's CRL: which one covers a certificate, and where each list is fetched (D7).

A partition is a number from 1 on; 0 stands for the full list, which covers every certificate of its CA. Files are named ``<issuer>.crl`` and
``<issuer>.<partition>.crl``: CAs have no dot in their names, so that no generation's list is mistaken for a partition's.
"""

FULL = 0
"""The full list, and the partition of a certificate that only the full list covers."""

MOST_PARTITIONS = 1024
"""More would make lists so small that fetching one tells who asks about whom."""


def partition_of(serial: int, partitions: int) -> int:
    """Return the partition of a certificate, from 1 to `partitions`, by the last bits of its serial number.

    These are random (`serials.draw_serial`), so that the lists grow alike. It is stored with the certificate and said by its CRL distribution
    point, since another number of partitions gives another answer. Raises ValueError for no partitions.
    """
    if partitions < 1:
        raise ValueError("There is at least one partition.")
    return 1 + serial % partitions


def crl_name(issuer: str, partition: int) -> str:
    """Return the file name of a list."""
    return f"{issuer}.crl" if partition == FULL else f"{issuer}.{partition}.crl"


def crl_url(base: str, issuer: str, partition: int) -> str:
    """Return where a list is fetched: the CRL distribution point of its certificates, and of a partition the list's own."""
    return f"{base}/{crl_name(issuer, partition)}"
