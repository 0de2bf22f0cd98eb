"""Three brokers of one cluster, as production has them; and one whose records are put back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from servicecert_launcher import Kafka, Node, free_port

COUNT = 3
_REPLICATED = """\
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
default.replication.factor=3
broker.session.timeout.ms=4000
"""
"""Three brokers on a busy machine need a longer session timeout than one."""


@contextmanager
def three_brokers() -> Iterator[list[Kafka]]:
    """Yield the brokers of a new cluster, and stop them at the end. Raises what Kafka raises."""
    ports: set[int] = set()
    while len(ports) < COUNT:
        ports.add(free_port())
    first = Node(1, controllers=dict(enumerate(ports, start=1)))
    brokers = [
        Kafka(properties=_REPLICATED, node=Node(node, first.cluster_id, first.controllers))
        for node in first.controllers
    ]
    with ExitStack() as stack, ThreadPoolExecutor(COUNT) as threads:
        for broker in brokers:
            stack.callback(broker.stop)
        list(threads.map(Kafka.start, brokers))
        try:
            yield brokers
        finally:
            # The last broker of a cluster cannot shut down in order: it has nobody to hand over to.
            for broker in brokers:
                broker.kill()


class Copies:
    """A copy of a broker's records, which may take their place."""

    def __init__(self, broker: Kafka, folder: Path) -> None:
        self._broker, self._records, self._copy = broker, broker.log.parent / "logs", folder / "copy"

    def take(self) -> None:
        self._broker.kill()
        shutil.copytree(self._records, self._copy)
        self._broker.restart()

    def put_back(self) -> None:
        self._broker.kill()
        shutil.rmtree(self._records)
        shutil.copytree(self._copy, self._records)
        self._broker.restart()
