"""Kafka's own tools, which are in a separate jar, named as in Kafka's distribution."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from servicecert_launcher.java import CACHE, class_path, command
from servicecert_launcher.reports import silent

_JARS = Path(__file__).with_suffix(".sha256")
_MAIN_CLASSES = {
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-dump-log.sh": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-delete-records.sh": "org.apache.kafka.tools.DeleteRecordsCommand",
}


def install(folder: Path, *names: str) -> Path:
    """Make the tools of these names in the folder, and return it."""
    jars = os.pathsep.join([class_path(CACHE, silent), class_path(CACHE, silent, _JARS)])
    for name in names:
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command(jars, _MAIN_CLASSES[name]))} "$@"\n')
        script.chmod(0o755)
    return folder
