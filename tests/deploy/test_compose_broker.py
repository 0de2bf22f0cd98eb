"""The broker of docker-compose.yml, with the certificates of `compose secrets`, as each container reaches it (F4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka.client import AIOKafkaClient
from servicecert_cli.admin import rights
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.operations import compose_secrets
from servicecert_cli.operations.broker_identities import ADMINISTRATOR
from servicecert_launcher import Kafka
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.core.access import KafkaAccess
from servicecert_worker.core.broker_acls import acls
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.rights import require_rights

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).resolve().parents[2] / "docker-compose.yml").read_text())
SECRETS = "/run/servicecert-kafka"
ADDRESSES = {
    "listeners": "INSIDE://{host}:{port},CONTROLLER://{host}:{controller_port}",
    "advertised.listeners": "INSIDE://{host}:{port}",
}
OF_THE_CONTAINER = ("process.roles", "node.id", "controller.quorum.voters", "log.dirs")


def properties(secrets: Path) -> str:
    """Return the broker's properties as its image makes them of the environment, for one of this machine."""
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value.replace("$$", "$").replace(SECRETS, str(secrets))
        for name, value in COMPOSE["services"]["kafka"]["environment"].items()
    }
    own = {name: value for name, value in given.items() if name not in OF_THE_CONTAINER}
    return "".join(f"{name}={value}\n" for name, value in {**own, **ADDRESSES}.items())


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    compose_secrets.write(folder, {})
    return folder / "kafka"


@pytest.fixture(scope="module")
def broker(secrets: Path) -> Iterator[Kafka]:
    kafka = Kafka(properties=properties(secrets / "broker"))
    kafka.start()
    yield kafka
    kafka.stop()


def reached(broker: Kafka, secrets: Path, user: str) -> Cluster:
    given = {name: str(value) for name, value in COMPOSE["x-kafka"].items()}
    own = {name: value.replace(SECRETS, str(secrets / user)) for name, value in given.items()}
    del own["KAFKA_BOOTSTRAP_SERVERS"]
    return Cluster(broker.bootstrap, access=KafkaAccess(**own))


async def test_f4_the_administrator_prepares_it_and_each_container_has_exactly_its_rights(
    broker: Kafka, secrets: Path
) -> None:
    administrator = reached(broker, secrets, ADMINISTRATOR)
    await create_topics(administrator, CATALOGUE)
    assert await rights.apply(administrator, acls()) == sum(map(len, acls().values()))
    for user in compose_secrets.USERS:
        cluster = reached(broker, secrets, user)
        client = AIOKafkaClient(**cluster.client)
        try:
            await client.bootstrap()
            if user == ADMINISTRATOR:
                with pytest.raises(OperatorError):
                    await require_rights(client, cluster, Principal.ISSUER)
            else:
                await require_rights(client, cluster, Principal(user))
        finally:
            await client.close()
