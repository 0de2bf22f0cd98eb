"""Every user of the broker tries everything that is not its own, and more than its quota: the broker refuses (F4)."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    MemberIdRequired,
    NoError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.group import JoinGroupRequest
from click.testing import CliRunner
from commandline import one_sentence, run_process
from identities import Identities as ServiceKeys
from servicecert_cli.admin import rights
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections.addresses import UP_LOGINS
from servicecert_cli.connections.kafka import partitions_of, refused
from servicecert_cli.main import main
from servicecert_cli.operations.broker_identities import ADMINISTRATOR
from servicecert_cli.stand.identities import Identities
from servicecert_launcher import Parts
from servicecert_schemas.broker import PRODUCER_BYTE_RATES, Principal
from servicecert_schemas.topics import APPLICATIONS, CASES, CATALOGUE, MAX_EVENT_BYTES, SERVICES, journal_topic
from servicecert_worker.core.access import KafkaAccess
from servicecert_worker.core.broker_acls import Acl, AclOperation, AclResource, acls
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.kafka.clients import broker_refused
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.reading import part_reader
from servicecert_worker.process.service import require_broker
from servicecert_worker.runtime.settings import ProcessSettings

asynchronous = pytest.mark.asyncio(loop_scope="module")

PREFIX = "rights."
SECONDS = 60
EXPECTED = acls(prefix=PREFIX)
TOPICS = [PREFIX + topic.name for topic in CATALOGUE]
GROUPS = [PREFIX + name for name in (*SERVICES, "e-service-portal", "another")]


class Broker:
    """The broker as each user reaches it."""

    def __init__(self, parts: Parts, identities: Identities) -> None:
        self._parts, self._identities = parts, identities

    def cluster(self, user: str, prefix: str = PREFIX) -> Cluster:
        return self._identities.cluster(self._parts, user, prefix)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(parts: Parts, identities: Identities) -> Broker:
    """The catalogue's topics with a record in each, and everybody's rights."""
    broker = Broker(parts, identities)
    cluster = broker.cluster(ADMINISTRATOR)
    await create_topics(cluster, CATALOGUE)
    await identities.register(parts, PREFIX)
    async with AIOKafkaProducer(**cluster.client) as producer:
        for topic in TOPICS:
            await producer.send_and_wait(topic, b"{}", key=b"a", partition=0)
    return broker


async def allowed(attempt: Awaitable[object]) -> bool:
    """Return whether the broker lets it happen; other errors than a refusal are raised."""
    try:
        async with asyncio.timeout(SECONDS):
            await attempt
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError):
        return False
    return True


async def read(client: AIOKafkaClient, consumer: AIOKafkaConsumer, topic: str) -> None:
    await client._wait_on_metadata(topic)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    while not await consumer.getmany(partition, timeout_ms=100):
        pass


async def join(client: AIOKafkaClient, group: str) -> None:
    request = JoinGroupRequest(group, 6_000, 6_000, "", None, "consumer", [("range", b"\0")])
    while True:
        try:
            answer = await client.send(await client.coordinator_lookup(0, group), request)
            if for_code(answer.error_code) in (NoError, MemberIdRequired):
                return
            raise for_code(answer.error_code)
        except KafkaError as fault:
            # A broker makes the topic of all groups' offsets when it is first asked.
            if not fault.retriable:
                raise
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("user", Principal)
@asynchronous
async def test_f4_each_user_reads_writes_and_joins_what_is_its_own_and_nothing_else(
    broker: Broker, user: Principal
) -> None:
    options = broker.cluster(user).client
    async with (
        AIOKafkaProducer(**options) as producer,
        AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False, fetch_max_wait_ms=50) as consumer,
    ):
        client = producer.client
        reads = {each for each in TOPICS if await allowed(read(client, consumer, each))}
        writes = {each for each in TOPICS if await allowed(producer.send_and_wait(each, b"", b"a"))}
        joins = {each for each in GROUPS if await allowed(join(client, each))}
    mine = EXPECTED[user]
    assert reads == {each for each in TOPICS if Acl(AclResource.TOPIC, each, AclOperation.READ) in mine}
    assert writes == {each for each in TOPICS if Acl(AclResource.TOPIC, each, AclOperation.WRITE) in mine}
    assert joins == {
        each
        for each in GROUPS
        if Acl(AclResource.GROUP, each, AclOperation.READ) in mine or (user is Principal.E_SERVICE and user in each)
    }


@pytest.mark.parametrize("user", Principal)
@asynchronous
async def test_f4_nobody_alters_or_deletes_topics_or_gives_rights_and_passwords(
    broker: Broker, user: Principal
) -> None:
    cluster = broker.cluster(user)
    admin = AIOKafkaAdminClient(**cluster.client)
    await admin.start()
    try:
        created = await admin.create_topics([NewTopic(f"{PREFIX}other-{user}", 1, 1)])
        deleted = await admin.delete_topics(TOPICS)
        resources = [ConfigResource(ConfigResourceType.TOPIC, each, {"retention.ms": "1"}) for each in TOPICS]
        altered = [each for answer in await admin.alter_configs(resources) for each in answer.resources]
    finally:
        await admin.close()
    codes = [code for _, code, *_ in created.topic_errors]
    codes += [code for _, code, *_ in deleted.topic_error_codes]
    codes += [code for code, *_ in altered]
    assert len(codes) == 1 + 2 * len(TOPICS)
    assert {for_code(code) for code in codes} == {TopicAuthorizationFailedError}
    everything = {user: acls(prefix=f"{uuid4().hex}.")[Principal.REVOKER]}
    with pytest.raises(Exception, match="log in as the user of this command or the broker's"):
        await rights.apply(cluster, everything)
    with pytest.raises(Exception, match="log in as the user of this command or the broker's"):
        await rights.set_passwords(cluster, {Principal.INTAKE: "known"})


async def throttled_ms(producer: AIOKafkaProducer, topic: str, octets: int) -> int:
    """Write so much in records of the largest size; return for how long the broker holds the user up at most."""
    send, answers = producer.client.send, []

    async def noted(*request: object, **options: object) -> Any:
        answers.append(answer := await send(*request, **options))
        return answer

    producer.client.send = noted
    for _ in range(-(-octets // MAX_EVENT_BYTES)):
        await producer.send_and_wait(topic, bytes(MAX_EVENT_BYTES), b"a", partition=0)
    producer.client.send = send
    return max(getattr(each, "throttle_time_ms", 0) for each in answers)


@asynchronous
async def test_f5_a_user_above_its_quota_is_held_up_and_another_one_is_not(broker: Broker) -> None:
    """A broker averages over 10 s."""
    async with (
        asyncio.timeout(SECONDS),
        AIOKafkaProducer(**broker.cluster(Principal.CANARY).client) as canary,
        AIOKafkaProducer(**broker.cluster(Principal.E_SERVICE).client) as e_service,
        AIOKafkaProducer(**broker.cluster(Principal.INTAKE).client) as intake,
    ):
        flood = 11 * PRODUCER_BYTE_RATES[Principal.E_SERVICE]
        applications, views = PREFIX + APPLICATIONS.name, PREFIX + CASES.name
        assert await throttled_ms(canary, applications, MAX_EVENT_BYTES // 2) == 0
        assert await throttled_ms(e_service, applications, flood) > 0
        assert await throttled_ms(intake, views, flood) == 0


@asynchronous
async def test_f5_the_broker_has_the_quotas_of_the_catalogue(broker: Broker) -> None:
    client = AIOKafkaClient(**broker.cluster(ADMINISTRATOR).client)
    await client.bootstrap()
    try:
        # Exactly the users that have one by their name.
        every = DescribeClientQuotasRequest([("user", 2, None)], strict=True)
        answer = await client.send(client.get_random_node(), every)
    finally:
        await client.close()
    assert {entity[0][1]: dict(values) for entity, values in answer.entries} == {
        str(user): {"producer_byte_rate": rate} for user, rate in PRODUCER_BYTE_RATES.items()
    }


@asynchronous
async def test_f4_who_has_no_identity_or_a_foreign_certificate_does_nothing(
    broker: Broker, parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    others = Identities.make(tmp_path_factory.mktemp("others") / "kafka")
    for user in (Principal.ISSUER, Principal.INTAKE):
        genuine, foreign = broker.cluster(user), others.access(user)
        forged = foreign.model_copy(update={"kafka_ca_file": genuine.access.kafka_ca_file})
        with pytest.raises(KafkaError):
            await AIOKafkaClient(**Cluster(genuine.bootstrap, PREFIX, forged).client).bootstrap()
    for address in (parts.bootstrap, parts.kafka.certificates_bootstrap):
        with pytest.raises(KafkaError):
            await AIOKafkaClient(bootstrap_servers=address).bootstrap()


def settings_of(cluster: Cluster, **tolerated: str) -> ProcessSettings:
    """Return the settings of a service that reaches the broker so."""
    return ProcessSettings(
        **{
            "SERVICECERT_INSECURE": "",
            "SERVICECERT_SERVICE_KEYS": os.devnull,
            **cluster.environment,
            **tolerated,
        }
    )


async def fault(service: str, cluster: Cluster, **tolerated: str) -> tuple[int, str]:
    """Return with what exit code and sentence a service refuses to start so."""
    with pytest.raises(OperatorError) as refused:
        await require_broker(settings_of(cluster, **tolerated), service)
    return refused.value.exit_code, str(refused.value)


def test_f4_a_service_does_not_start_at_a_broker_in_the_clear(tmp_path: Path) -> None:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/nowhere",
        "SERVICECERT_CA_DIR": os.devnull,
        **ServiceKeys(tmp_path / "service-keys").environment("issuer"),
        "SERVICECERT_OCSP_CRL_URL": "http://crl.example",
        "SERVICECERT_PATIENCE_SECONDS": "0",
        "SERVICECERT_INSECURE": "rights",
    }
    for command in (("run", "issuer"), ("ocsp",)):
        done = run_process(*command, environment=environment)
        assert done.code == 78
        sentence = one_sentence(done.err.splitlines()[-1])
        assert "Kafka would be reached in the clear (PLAINTEXT)" in sentence
        assert "SERVICECERT_INSECURE=broker" in sentence


@asynchronous
async def test_f4_a_service_does_not_start_with_more_rights_than_its_own(broker: Broker) -> None:
    code, sentence = await fault("revoker", broker.cluster(ADMINISTRATOR))
    assert code == 78
    assert "allows revoker more than it needs, Alter on rights.accepted-applications" in sentence
    code, sentence = await fault(Principal.OCSP_RESPONDER, broker.cluster(Principal.REGISTERS_LOADER))
    assert code == 78
    assert "more than it needs, Read on rights.registers, Write on rights.registers: give its user" in sentence
    for service in SERVICES:
        for user in Principal:
            if service == user:
                await require_broker(settings_of(broker.cluster(user)), service)
            else:
                assert await fault(service, broker.cluster(user)), (service, user)


@asynchronous
async def test_f4_a_command_without_a_right_names_the_user_and_the_topic(broker: Broker) -> None:
    """Whether there is a topic that a user may not describe, it does not say."""
    notifier = broker.cluster(Principal.NOTIFIER)
    for cluster, name in ((notifier, TOPICS[0]), (replace(notifier, prefix="absent."), f"absent.{CATALOGUE[0].name}")):
        with pytest.raises(OperatorError) as refused:
            await partitions_of(cluster, [name])
        assert f"does not allow the user 'notifier' what this needs of the topic {name}: log" in str(refused.value)
        assert refused.value.exit_code == 77


@asynchronous
async def test_f4_what_a_user_may_not_see_is_not_taken_for_missing(broker: Broker) -> None:
    """Where a journal may not be seen, it must not be filled again."""
    cluster = broker.cluster(Principal.CANARY)
    async with part_reader(cluster) as reader:
        with pytest.raises(TopicAuthorizationFailedError):
            await reader.extent(TopicPartition(cluster.name(journal_topic("intake")), 0))


def test_f4_topics_that_a_user_may_not_see_are_not_said_to_be_missing(broker: Broker) -> None:
    given = broker.cluster(Principal.CANARY).environment
    listed = CliRunner().invoke(main, ("topics", "list"), env=given)
    assert (listed.exit_code, listed.stdout) == (77, "")
    assert re.search(r"needs of the topics .* more: log in as operator; docs", one_sentence(listed.stderr))
    made = CliRunner().invoke(main, ("doctor", "--only", "Topics", "--json"), env=given)
    (check,) = json.loads(made.stdout)
    assert (check["severity"], check["remedy"]) == ("unknown", "No right at Kafka: log in as `operator`.")
    assert check["finding"].startswith("Not looked at: no right to the topics ")


@asynchronous
async def test_f4_a_client_without_its_certificate_is_told(broker: Broker) -> None:
    revoker = broker.cluster(Principal.REVOKER)
    access = revoker.access
    nobody = KafkaAccess(security_protocol=access.security_protocol, kafka_ca_file=access.kafka_ca_file)
    refused = await broker_refused(replace(revoker, access=nobody))
    assert "closes the connection: it wants another KAFKA_SECURITY_PROTOCOL than SSL, or a client's" in str(refused)


@asynchronous
async def test_f4_a_service_whose_rights_were_forgotten_says_which(broker: Broker) -> None:
    cluster = broker.cluster(ADMINISTRATOR, "forgotten.")
    await create_topics(cluster, CATALOGUE)
    mine = {Acl(AclResource.TOPIC, f"forgotten.{name}", AclOperation.READ) for name in ("cases",)}
    await rights.apply(cluster, {Principal.NOTIFIER: mine})
    code, sentence = await fault("notifier", broker.cluster(Principal.NOTIFIER, "forgotten."))
    assert code == 77
    assert "does not allow notifier what it needs" in sentence
    assert "Read on forgotten." in sentence
    async with _at(broker.cluster(ADMINISTRATOR, "forgotten.")) as admin:
        await admin.delete_topics([f"forgotten.{topic.name}" for topic in CATALOGUE])


@asynccontextmanager
async def _at(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**cluster.client)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


COMMANDS = {
    Principal.OPERATOR: (("lag", "--json"), ("topics", "list"), ("cases", "--account", "nobody")),
    Principal.MONITORING: (("lag", "--json"), ("topics", "list")),
    Principal.AUDITOR: (("audit", "export"),),
    Principal.TOPICS_CREATOR: (("topics", "create"), ("topics", "list")),
    Principal.REGISTERS_LOADER: (("registers", "load", "--fictitious"),),
}


@pytest.mark.parametrize("user", COMMANDS)
def test_f4_each_command_works_as_its_user(broker: Broker, user: Principal) -> None:
    for command in COMMANDS[user]:
        result = CliRunner().invoke(main, command, env=broker.cluster(user).environment)
        # It may read the cases or the checkpoints, of which there is none.
        none = ("There is no case", "The topic holds no checkpoints")
        assert result.exit_code == 0 or any(each in result.stderr for each in none), (command, result.stderr)


def test_f4_a_command_as_another_user_says_so(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who has the right, and how `servicecert up` makes a terminal that user's."""
    monkeypatch.chdir(tmp_path)
    UP_LOGINS.mkdir(parents=True)
    (UP_LOGINS / Principal.OPERATOR).touch()
    for user, command, others in (
        (Principal.AUDITOR, ("registers", "load", "--fictitious"), "registers-loader"),
        (Principal.OPERATOR, ("registers", "load", "--fictitious"), "registers-loader"),
        (Principal.MONITORING, ("audit", "export"), "auditor"),
        (Principal.E_SERVICE, ("lag",), f"operator, by `. {UP_LOGINS}/operator`"),
        (Principal.OPERATOR, ("topics", "acls", "--apply"), "the user of this command or the broker's administrator"),
    ):
        result = CliRunner().invoke(main, command, env=broker.cluster(user).environment)
        said = f"log in as {others}; docs/kafka-rights.md has the user of each command."
        assert (result.exit_code, said in one_sentence(result.stderr)) == (77, True), (user, command, result.stderr)


def test_f4_a_topic_that_only_its_service_has_is_that_service_s(broker: Broker) -> None:
    cluster = broker.cluster(Principal.OPERATOR)
    fault = TopicAuthorizationFailedError(cluster.name(journal_topic("issuer")))
    assert "log in as issuer; docs" in str(refused(cluster, fault))
