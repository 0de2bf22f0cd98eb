"""Which CRLs a pass makes. Pure."""

from collections.abc import Collection, Mapping, Sequence

from servicecert_pki.partitions import FULL

from .crl_files import Shown
from .ledger import Recorded, Size
from .publication import PublishOrder, is_scheduled


def wanted(
    orders: Sequence[PublishOrder],
    sizes: Mapping[int, Size],
    recorded: Mapping[int, Recorded],
    shown: Mapping[int, Shown | None],
) -> Collection[int]:
    """The partitions to be made: the full CRL, those that orders name, and those that lack something; on schedule all that are `shown`.

    Between schedules a partition only grows, so that the number of its entries tells whether it stayed as it is.
    """
    if is_scheduled(orders):
        return frozenset(shown)
    lacking = {
        partition
        for partition, published in shown.items()
        if not _is_whole(published, recorded.get(partition), sizes.get(partition, Size()))
    }
    return lacking | {FULL} | {order.partition for order in orders}


def _is_whole(published: Shown | None, recorded: Recorded | None, size: Size) -> bool:
    if published is None or recorded is None:
        return False
    return (published.sha256, recorded.entries) == (recorded.sha256, size.entries)
