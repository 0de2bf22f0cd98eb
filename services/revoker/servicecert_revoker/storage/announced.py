"""The CRL numbers that a restored database forgot, from the events that announced them (D7, I8)."""

from servicecert_schemas.revocation import CrlPublished
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.published import PublishedEvents

from . import QUERIES


async def keep_announced(connection: Connection, published: PublishedEvents) -> None:
    """Store the announced CRLs whose numbers are above all that are stored."""
    crls = {
        (each.data.issuer, each.data.partition, each.data.number): (each.data, each.time)
        for each in published
        if isinstance(each.data, CrlPublished)
    }
    if not crls:
        return
    await connection.execute(
        QUERIES["keep_announced"],
        [crl.issuer for crl, _ in crls.values()],
        [crl.partition for crl, _ in crls.values()],
        [crl.number for crl, _ in crls.values()],
        [crl.this_update for crl, _ in crls.values()],
        [crl.next_update for crl, _ in crls.values()],
        [crl.entries for crl, _ in crls.values()],
        [crl.sha256 for crl, _ in crls.values()],
        [time for _, time in crls.values()],
    )
