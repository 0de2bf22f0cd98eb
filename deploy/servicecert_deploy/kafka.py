"""Nodes of Apache Kafka (KRaft) on this machine, mostly one alone, for the demo, the tests and the benchmarks."""

import base64
import signal
import socket
import sys
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .accounts import run_folder
from .java import CACHE, Java, prepare
from .ports import HOST, FreePort, free_port
from .processes import Child
from .reports import Report, silent
from .server import START_SECONDS, Server

FOR_START = ("-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1")
FOR_THROUGHPUT = ("-Xms256m", "-Xmx512m")
API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")

# The short broker session lets a killed broker come back in 2 s instead of 11; the small cleaner buffer halves the
# memory, and it looks each second; index files of 1 MiB instead of 10 spare each partition's first entry some 40 ms.
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
num.partitions=12
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.backoff.ms=1000
log.index.size.max.bytes=1048576
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
"""


def _cluster_id() -> str:
    """Hex, since an id that begins with a hyphen is not accepted everywhere."""
    return uuid.uuid4().hex[:22]


@dataclass(frozen=True)
class Node:
    """Which node of which cluster a broker is. `controllers` are the controllers' ports by node; none where it is alone.

    Each cluster has an id of its own, so that clients can tell a wiped broker from the one before.
    """

    id: int = 1
    cluster_id: str = field(default_factory=_cluster_id)
    controllers: Mapping[int, int] = field(default_factory=dict)


class Kafka(Server):
    """A broker with its own address and records, both kept over `kill` and `restart` until `stop`.

    `throughput` leaves the just-in-time compiler whole: right for benchmarks, 1 s slower to start. `cache` keeps the
    jars and the start-up cache. `properties` are added to its own, and may name {host}, {port} and {controller_port}.
    With a `node` it is one of several, which are started side by side: it answers once the most of them do.
    Raises MissingPart, TamperedJar, StartFailed.
    """

    NAME = "Kafka"
    PORT_TAKEN = "BindException"

    def __init__(
        self,
        *,
        throughput: bool = False,
        properties: str = "",
        node: Node | None = None,
        cache: Path = CACHE,
        report: Report = silent,
        choose_port: FreePort = free_port,
    ) -> None:
        super().__init__(report, choose_port)
        self._tuning = FOR_THROUGHPUT if throughput else FOR_START
        self._properties = PROPERTIES + properties
        self._node = node
        self._cache = cache.resolve()
        self._java: Java | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"{HOST}:{self._port}"

    def start(self) -> None:
        """Starts a new, empty broker on free ports; returns when it answers."""
        java = prepare(self._cache, self._report, train)
        self._report("starting Kafka")
        self._start_new(java, *self._tuning)

    def _start_new(self, java: Java, *flags: str) -> None:
        self._java, self._flags, self._identity = java, flags, self._node or Node()
        self._start_in(run_folder(None, "kafka"))

    def _prepare(self) -> None:
        format_storage(self._home(), self._identity)

    def _choose_ports(self) -> None:
        node = self._identity
        self._port = self._another_port(node.controllers.values())
        self._controller_port = node.controllers.get(node.id) or self._another_port([self._port])

    def _another_port(self, taken: Collection[int]) -> int:
        """A port that nobody listens on yet: the system may well give one out that is meant for another listener."""
        return next(port for port in iter(self._choose_port, None) if port not in taken)

    def _process(self) -> Child:
        assert self._java is not None
        folder = self._home()
        controllers = {**self._identity.controllers, self._identity.id: self._controller_port}
        properties = folder / "server.properties"
        properties.write_text(
            self._properties.format(
                host=HOST,
                port=self._port,
                controller_port=self._controller_port,
                logs=folder / "logs",
                node=self._identity.id,
                voters=",".join(f"{id}@{HOST}:{port}" for id, port in controllers.items()),
            )
        )
        flags = (*self._flags, f"-Djava.io.tmpdir={folder}")
        command = self._java.command("kafka.Kafka", properties, flags=flags)
        return Child(command, log=self.log, folder=folder, remove=folder)

    def _answers(self) -> bool:
        """Whether the broker answers an ApiVersions request, which it does once it may serve clients."""
        try:
            with socket.create_connection((HOST, self._port), timeout=1) as connection:
                connection.sendall(API_VERSIONS)
                return len(connection.recv(4)) == 4
        except OSError:
            return False


def format_storage(folder: Path, node: Node) -> None:
    """Makes an empty storage folder, as Kafka's StorageTool does in a second of its own."""
    logs = folder / "logs"
    logs.mkdir()
    directory = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    logs.joinpath("meta.properties").write_text(
        f"version=1\ncluster.id={node.cluster_id}\nnode.id={node.id}\ndirectory.id={directory}\n"
    )


def train(java: Java, file: Path) -> None:
    """Runs a broker through topic, produce, group and consume, and leaves a start-up cache of it in `file`."""
    broker = Kafka()
    broker._start_new(java, *FOR_START, f"-XX:AOTCacheOutput={file}")
    try:
        exercise = [sys.executable, "-m", "servicecert_deploy.exercise", broker.bootstrap]
        Child(exercise, log=broker._home() / "exercise.log").wait(START_SECONDS)
        # Java writes the cache at its exit, which takes ten seconds and more.
        broker._running().stop(START_SECONDS, signal.SIGTERM)
    finally:
        broker.stop()
