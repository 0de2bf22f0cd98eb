"""The contents of all topics at the end of a run, reduced to a few values for each case."""

from __future__ import annotations

import json
from base64 import b64decode
from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord, TopicPartition
from asn1crypto.x509 import Certificate
from servicecert_cli.connections import kafka
from servicecert_cli.watching.canary.customer import CANARY
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import (
    ApplicationAccepted,
    CertificateIntended,
    CertificateIssued,
    CertificateVoided,
)
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.operators import RecordParked
from servicecert_schemas.responder import ResponderCertified
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, Standing, StandingChanged
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, CATALOGUE, REGISTERS
from servicecert_schemas.upcasting import as_written
from servicecert_worker.kafka.cluster import Cluster

_OF_AUDIT = {"audit", "audit_chains", "audit_checkpoints", "events"}
RecordPosition = tuple[str, int, int]
"""A record's topic (with the cluster's prefix), partition and offset."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate from its event. `certificate` and `tbs` are SHA-256."""

    issuer: str
    serial: str
    certificate: str
    tbs: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate's revocation from its event."""

    issuer: str
    serial: str
    crl_number: int
    crl: str


@dataclass(slots=True)
class CaseEvents:
    """The events of one case, each once by its id, even if repeated in its topic. `voided` are CA and serial number.

    `left_out` are the versions missing before a view that may replace them: one that only mails changed.
    """

    accepted: set[UUID] = field(default_factory=set)
    issued: dict[UUID, Issued] = field(default_factory=dict)
    voided: set[tuple[str, str]] = field(default_factory=set)
    revoked: dict[UUID, Revoked] = field(default_factory=dict)
    handed_over: dict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    view_ids: set[UUID] = field(default_factory=set)
    versions: list[int] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    state: CaseState | None = None
    serial: str | None = None
    deliveries: int = 0


@dataclass(slots=True)
class Topics:
    """The events of all cases; CRL numbers by CA and partition, in order; the reports of each parked record.

    `copies` counts events that are in a topic twice. `responders` are the certificates of OCSP responders, as SHA-256
    of the signed bytes; `standings` are those published for each certificate, in order. `intended` are the bytes that
    were to be signed, as SHA-256. `canaries` are the cases that no plan has: the canary's.
    `types` are those of the records, each with the type that this version writes instead of it. `records` counts all
    but what a worker writes of itself when it begins and ends.
    """

    cases: dict[UUID, CaseEvents] = field(default_factory=lambda: defaultdict(CaseEvents))
    crl_numbers: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    crl_ids: set[UUID] = field(default_factory=set)
    parked: dict[tuple[str, RecordPosition], set[str]] = field(default_factory=lambda: defaultdict(set))
    types: dict[str, str] = field(default_factory=dict)
    records: int = 0
    copies: int = 0
    responders: set[str] = field(default_factory=set)
    standings: dict[tuple[str, str], list[Standing]] = field(default_factory=lambda: defaultdict(list))
    intended: set[str] = field(default_factory=set)
    canaries: set[UUID] = field(default_factory=set)

    def add(self, event_id: UUID, data: EventData) -> None:
        """Add one event."""
        match data:
            case ApplicationAccepted():
                self._count(event_id, self.cases[data.case_id].accepted)
                self.cases[data.case_id].accepted.add(event_id)
            case CertificateIntended():
                self.intended.add(sha256(b64decode(data.tbs)).hexdigest())
            case CertificateIssued():
                self._count(event_id, self.cases[data.case_id].issued)
                self.cases[data.case_id].issued[event_id] = _issued(data)
            case CertificateVoided():
                self.cases[data.case_id].voided.add((data.issuer, data.serial))
            case CertificateRevoked():
                self._count(event_id, self.cases[data.case_id].revoked)
                self.cases[data.case_id].revoked[event_id] = Revoked(
                    data.issuer, data.serial, data.crl_number, PurePosixPath(data.crl_url).stem
                )
            case MailHandedOver():
                self._count(event_id, self.cases[data.case_id].handed_over[data.mail_id])
                self.cases[data.case_id].handed_over[data.mail_id].add(event_id)
            case CaseChanged():
                self._see(event_id, data)
            case RecordParked():
                self.parked[data.service, (data.topic, data.partition, data.offset)].add(f"{event_id} {data.reason}")
            case ResponderCertified():
                self.responders.add(_signed_bytes(b64decode(data.certificate)))
            case StandingChanged():
                self.standings[data.issuer, data.serial].append(data.standing)
            case CrlPublished():
                self._count(event_id, self.crl_ids)
                if event_id not in self.crl_ids:
                    self.crl_ids.add(event_id)
                    self.crl_numbers[data.issuer, data.partition].append(data.number)

    def _count(self, event_id: UUID, known: Any) -> None:
        self.copies += event_id in known

    def _see(self, event_id: UUID, view: CaseChanged) -> None:
        if view.account_id == CANARY.account_id:
            self.canaries.add(view.case_id)
        case_events = self.cases[view.case_id]
        self._count(event_id, case_events.view_ids)
        if event_id in case_events.view_ids:
            return
        case_events.view_ids.add(event_id)
        if view.state in (CaseState.ISSUED, CaseState.DELIVERED):
            case_events.left_out += range(max(case_events.versions, default=0) + 1, view.version)
        case_events.versions.append(view.version)
        case_events.state = CaseState(view.state)
        case_events.deliveries = sum(each.delivered for each in view.deliveries)
        case_events.serial = None if view.certificate is None else view.certificate.serial


def _issued(data: CertificateIssued) -> Issued:
    whole = b64decode(data.certificate)
    return Issued(data.issuer, data.serial, sha256(whole).hexdigest(), _signed_bytes(whole))


def _signed_bytes(certificate: bytes) -> str:
    return sha256(Certificate.load(certificate)["tbs_certificate"].dump()).hexdigest()


async def read_topics(cluster: Cluster) -> Topics:
    """Return the current contents of the topics, read one partition after the other. Raises OperatorError."""
    topics = Topics()
    async with kafka.reader(cluster) as reader:
        for topic in CATALOGUE:
            # These have no cases: registers are loaded, and each worker that ends adds an audit checkpoint.
            if topic in (REGISTERS, AUDIT_CHECKPOINTS):
                continue
            partitions = [
                TopicPartition(cluster.name(topic), number) for number in await kafka.partitions(cluster, topic)
            ]
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            for partition, end in ends.items():
                await _read(reader, partition, topic.name, end, topics)
    return topics


def _is_of_no_turn(topic: str, record: ConsumerRecord) -> bool:
    """Return whether it is a journal's record of audit only, with no row that has a key."""
    if not topic.endswith(".journal"):
        return False
    groups = json.loads(record.value)["groups"]
    audit = [row for name, _, rows in groups if name == "audit" for row in (rows or {}).get("audit", ())]
    return {name for name, *_ in groups} <= _OF_AUDIT and not any(row["key"] for row in audit)


async def _read(reader: Any, partition: TopicPartition, name: str, end: int, topics: Topics) -> None:
    while await reader.position(partition) < end:
        for records in (await reader.getmany(partition, timeout_ms=500, max_records=500)).values():
            for record in records:
                topics.records += not _is_of_no_turn(name, record)
                try:
                    envelope, data = decode(name, record.key, record.headers, record.value)
                except Undecodable:
                    continue
                topics.types[envelope.type] = as_written(data).TYPE
                topics.add(envelope.id, data)
