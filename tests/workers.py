"""Workers of one service, each a process, at topics and tables of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from identities import Identities
from recycling import Migrated
from servicecert_cli.admin.topics import create as create_topics
from servicecert_launcher import Child, Parts
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.kafka.cluster import Cluster


@dataclass(frozen=True)
class Workers:
    """What the workers of a service share; `started` are those that were started, the newest last."""

    service: str
    url: str
    cluster: Cluster
    identities: Identities
    folder: Path
    started: list[Child] = field(default_factory=list)

    def start(self, **environment: str) -> Child:
        """Start a worker with these settings, besides those that every service needs."""
        own = {
            **self.cluster.environment,
            "DATABASE_URL": self.url,
            "SERVICECERT_SESSION_SECONDS": "1",
            **self.identities.environment(self.service),
        }
        command = [sys.executable, "-m", "servicecert_cli", "run", self.service]
        log = self.folder / f"{len(self.started)}.log"
        self.started.append(Child(command, log=log, environment={**os.environ, **own, **environment}))
        return self.started[-1]


@asynccontextmanager
async def workers_of(
    service: str, migrations: Path, parts: Parts, migrated: Callable[..., Migrated], folder: Path
) -> AsyncIterator[Workers]:
    """Make the topics and empty tables of a service's workers. Those that are left are killed at the end."""
    (url,) = migrated(**{service: [migrations]}).urls.values()
    cluster = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-")
    await create_topics(cluster, CATALOGUE)
    workers = Workers(service, url, cluster, Identities(folder / "service-keys"), folder)
    try:
        yield workers
    finally:
        for child in workers.started:
            child.kill()
