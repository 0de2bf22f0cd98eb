"""Real Kafka and real PostgreSQL on one machine, and child processes.

All calls block until they are done; from asyncio use `asyncio.to_thread`. All processes started here end with the
starting process, even after kill -9, and their temporary folders are deleted.

    import os, sys
    from pathlib import Path
    from servicecert_launcher import Child, DeployError, start_parts

    with start_parts(report=print) as parts:           # KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL are used where set
        parts.bootstrap                                # "127.0.0.1:41234"
        parts.database_url                             # "postgresql://postgres:…@127.0.0.1:5678/postgres", a superuser
        environment = {**os.environ, **parts.environment}
        command = [Path(sys.executable).with_name("servicecert"), "run", "intake"]
        intake = Child(command, log=Path("intake.log"), environment=environment)
        intake.stop(timeout=10)                        # SIGTERM, then SIGKILL; returns the exit status
        if parts.kafka:                                # None where the environment named the operator's own
            parts.kafka.kill(); parts.kafka.restart()  # same address, same records

Single parts: `Kafka()` and `Postgres(settings={"fsync": "off"})` with `start()`, `bootstrap` or `url`, and `stop()`.
Errors are a `DeployError` with one sentence for a person: `MissingPart`, `TamperedJar`, `StartFailed`, `TokenMissing`.
"""

from .environment import Parts, start_parts
from .errors import DeployError, MissingPart, StartFailed, TamperedJar, TokenMissing
from .kafka import Kafka, Node, Secured
from .ports import free_port
from .postgres import DatabaseTls, Postgres
from .processes import Child
from .softhsm import SoftHsm

__all__ = ["Child", "DatabaseTls", "DeployError", "Kafka", "MissingPart", "Node", "Parts", "Postgres", "Secured"]
__all__ += ["SoftHsm", "StartFailed", "TamperedJar", "TokenMissing", "free_port", "start_parts"]
