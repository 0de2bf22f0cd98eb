"""Nodes of Apache Kafka (KRaft) on this machine, usually one, for the demo, tests and benchmarks."""

import base64
import socket
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .accounts import run_folder
from .java import CACHE, class_path, command, program
from .ports import HOST, free_port
from .processes import Child
from .reports import Report, silent
from .server import Server

TUNING = ("-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1")
API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")

# The short broker session lets a killed broker return in 2 s instead of 11; the small cleaner buffer halves the memory,
# and the cleaner runs each second; index files of 1 MiB instead of 10 save each partition's first entry some 40 ms. A
# record of the metadata that says nothing, each 500 ms, is a fifth of what an idle node costs.
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
metadata.max.idle.interval.ms=10000
"""


# Nobody without a name, no name without rights: the broker too is a client of itself, by its certificate. The file's
# format wants a PEM on one line.
SECURED_PROPERTIES = """\
listeners=SASL_SSL://{{host}}:{{port}},SSL://{{host}}:{{certificates_port}},CONTROLLER://{{host}}:{{controller_port}}
advertised.listeners=SASL_SSL://{{host}}:{{port}},SSL://{{host}}:{{certificates_port}}
inter.broker.listener.name=SSL
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:SSL
listener.name.ssl.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.certificate.chain={certificate}
ssl.keystore.key={key}
ssl.truststore.type=PEM
ssl.truststore.certificates={ca}
ssl.principal.mapping.rules=RULE:^CN=([^,]+)$/$1/
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\\
    org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users={administrators}
"""


@dataclass(frozen=True)
class Secured:
    """What a broker with TLS, identities and rights is given: PEMs of its key and certificate, and of its users' CA.

    Users log in by SCRAM-SHA-512 at one port, by a certificate of the CA at another; its CN is the user's name.
    `administrators` may do everything; they include the CN of the broker's own certificate.
    """

    certificate: str
    key: str
    ca: str
    administrators: Collection[str]

    @property
    def properties(self) -> str:
        """The broker's properties, with the addresses to be filled in."""
        return SECURED_PROPERTIES.format(
            certificate=_on_one_line(self.certificate),
            key=_on_one_line(self.key),
            ca=_on_one_line(self.ca),
            administrators=";".join(f"User:{name}" for name in self.administrators),
        )


def _on_one_line(pem: str) -> str:
    return pem.replace("\n", "\\n")


@dataclass(frozen=True)
class Node:
    """A broker's node and cluster. `controllers` are the controllers' ports by node; empty for a single node.

    Each cluster has its own id, so that clients can tell a new broker from a deleted one. It is in hex: one that begins
    with a hyphen is not accepted everywhere.
    """

    id: int = 1
    cluster_id: str = field(default_factory=lambda: uuid.uuid4().hex[:22])
    controllers: Mapping[int, int] = field(default_factory=dict)


class Kafka(Server):
    """A broker with its own address and records; both survive `kill` and `restart` until `stop`.

    `properties` are added to its own, and may contain {host}, {port} and {controller_port}.
    `secured` has users log in and checks their rights. With a `node` it is one of several, to be started at the same
    time: it answers once most of them do. Raises MissingPart, TamperedJar, StartFailed.
    """

    NAME = "Kafka"
    PORT_TAKEN = "BindException"

    def __init__(
        self, *, properties: str = "", secured: Secured | None = None, node: Node | None = None, report: Report = silent
    ) -> None:
        super().__init__(report)
        self._secured = secured
        self._certificates_port = 0
        self._properties = PROPERTIES + (secured.properties if secured else "") + properties
        self._node = node

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def certificates_bootstrap(self) -> str:
        return f"{HOST}:{self._certificates_port}"

    def start(self) -> None:
        """Start a new, empty broker on free ports; return when it answers."""
        program()  # Nothing is fetched where there is none.
        self._class_path = class_path(CACHE, self._report)
        self._report("Starting Kafka")
        self._identity = self._node or Node()
        self._start_in(run_folder(None, "kafka"))

    def _prepare(self) -> None:
        """Make an empty storage folder, as Kafka's StorageTool does, but a second faster."""
        (logs := self._home() / "logs").mkdir()
        directory, node = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="), self._identity
        logs.joinpath("meta.properties").write_text(
            f"version=1\ncluster.id={node.cluster_id}\nnode.id={node.id}\ndirectory.id={directory}\n"
        )

    def _choose_ports(self) -> None:
        node = self._identity
        self._port = self._another_port(node.controllers.values())
        self._controller_port = node.controllers.get(node.id) or self._another_port([self._port])
        if self._secured is not None:
            others = [self._port, self._controller_port, *node.controllers.values()]
            self._certificates_port = self._another_port(others)

    def _another_port(self, reserved: Collection[int]) -> int:
        return next(port for port in iter(free_port, None) if port not in reserved)

    def _process(self) -> Child:
        folder = self._home()
        controllers = {**self._identity.controllers, self._identity.id: self._controller_port}
        properties = folder / "server.properties"
        properties.write_text(
            self._properties.format(
                host=HOST,
                port=self._port,
                controller_port=self._controller_port,
                certificates_port=self._certificates_port,
                logs=folder / "logs",
                node=self._identity.id,
                voters=",".join(f"{id}@{HOST}:{port}" for id, port in controllers.items()),
            )
        )
        flags = (*TUNING, f"-Djava.io.tmpdir={folder}")
        broker = command(self._class_path, "kafka.Kafka", properties, flags=flags)
        return Child(broker, log=self.log, folder=folder, remove=folder)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self._port), timeout=1) as connection:
                connection.sendall(API_VERSIONS)
                return len(connection.recv(4)) == 4
        except OSError:
            return False
