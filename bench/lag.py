"""What the exporter of lag costs: of 20 topics with 12 partitions each, read by four groups that are all behind.

python -m bench.lag                      # writes var/bench/lag-exporter.json and lag-series.json
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import process_time

from aiokafka import AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry, generate_latest
from servicecert_cli.connections import kafka
from servicecert_cli.exporter.groups import Groups
from servicecert_deploy import start_parts
from servicecert_schemas.topics import APPLICATIONS, SERVICES, Topic
from servicecert_worker.kafka import topic_creation
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.lag import LagMeter

from bench.results import keep

TOPICS, PARTITIONS, LOOKS = 20, 12, 12
LOOK_SECONDS, SCRAPE_SECONDS = 10.0, 15.0
MOST_SHARE = 0.02
"""Of a core."""


async def measure() -> None:
    """Measure looks at Kafka and scrapes, each as often as by default. At each look another record is the oldest."""
    topics = [replace(APPLICATIONS, name=f"bench-lag-{number}") for number in range(TOPICS)]
    reads = {service: topics[place::4] for place, service in enumerate(SERVICES)}
    with start_parts() as parts:
        cluster = Cluster(parts.bootstrap)
        await topic_creation.create(parts.bootstrap, topics, "")
        groups, registry = Groups("bench", 30), CollectorRegistry()
        registry.register(groups)
        producer = AIOKafkaProducer(**cluster.client)
        await producer.start()
        looking = scraping = 0.0
        try:
            async with kafka.admin(cluster) as admin, kafka.reader(cluster) as reader:
                meter = LagMeter(admin, reader, "")
                for handled in range(LOOKS):
                    for topic in topics:
                        for partition in range(PARTITIONS):
                            await producer.send(topic.name, b"", partition=partition)
                    await producer.flush()
                    for service, read in reads.items():
                        await handle(cluster, service, read, handled)
                    began = process_time()
                    groups.take(await meter.look(reads, datetime.now(UTC)), 0.0)
                    looking += process_time() - began
                    began = process_time()
                    text = generate_latest(registry)
                    scraping += process_time() - began
        finally:
            await producer.stop()
    share = looking / LOOKS / LOOK_SECONDS + scraping / LOOKS / SCRAPE_SECONDS
    keep("lag-exporter", 100 * share, "% of a core", "limit", 100 * MOST_SHARE)
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    keep("lag-series", series, "series", "partitions", TOPICS * PARTITIONS)


async def handle(cluster: Cluster, group: str, topics: Sequence[Topic], offset: int) -> None:
    """Commit an offset of all partitions of these topics, as the group."""
    places = [TopicPartition(topic.name, number) for topic in topics for number in range(PARTITIONS)]
    async with kafka.reader(cluster, group) as consumer:
        consumer.assign(places)
        await consumer.commit(dict.fromkeys(places, offset))


if __name__ == "__main__":
    asyncio.run(measure())
