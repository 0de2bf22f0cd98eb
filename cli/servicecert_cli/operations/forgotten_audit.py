"""What a restored database forgot of its audit, by the checkpoints in their topic (B6).

The checkpoints are stored again. The rows themselves are lost: a checkpoint has the hash of the last one only. So the
replay's own chain begins with how far each lost chain was attested, and `audit verify` knows a restore from a cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from servicecert_worker.audit.chain import Chain
from servicecert_worker.audit.checkpoints import Checkpoint, Signed
from servicecert_worker.core.service_keys import TrustedKeys
from servicecert_worker.kafka.cluster import Cluster

from .auditing import exported


@dataclass(frozen=True, slots=True)
class ForgottenAudit:
    """The checkpoints that the table lacks, and by chain the last row that is kept, and the last that is attested."""

    checkpoints: tuple[Signed, ...]
    chains: Mapping[UUID, tuple[int, int]]

    @property
    def rows(self) -> int:
        """How many attested rows are lost."""
        return sum(last - kept for kept, last in self.chains.values())

    @property
    def facts(self) -> Mapping[str, object]:
        """Return what the first row of the replay's chain says."""
        return {"forgets": {str(chain): last for chain, (_, last) in self.chains.items()}} if self.chains else {}


async def forgotten_audit(pool: asyncpg.Pool[Any], cluster: Cluster, service: str, keys: TrustedKeys) -> ForgottenAudit:
    """Compare the topic's checkpoints with the tables. Raises OperatorError."""
    signed = sorted((await exported(cluster, keys)).of(service), key=lambda each: each.number)
    last = await pool.fetchval("select coalesce(max(number), 0) from audit_checkpoints")
    lost = tuple(each for each in signed if each.number > last)
    attested: dict[UUID, int] = {}
    for each in lost:
        for chain, head in Checkpoint.read(each.text).heads.items():
            attested[chain] = max(attested.get(chain, 0), head.seq)
    rows = await pool.fetch(
        "select chain, coalesce((select max(seq) from audit where audit.chain = c.chain), 0) as seq "
        "from unnest($1::uuid[]) as c (chain)",
        list(attested),
    )
    kept = {row["chain"]: row["seq"] for row in rows}
    return ForgottenAudit(lost, {chain: (kept[chain], last) for chain, last in attested.items() if last > kept[chain]})


async def put_on_record(audit: ForgottenAudit, chain: Chain, pool: asyncpg.Pool[Any], now: datetime) -> None:
    """Begin the replay's chain, and store the checkpoints as they were, so that the next one follows the topic's last.

    In this order: of a replay that was killed between the two, the next one finds the same checkpoints lost.
    """
    await chain.begin(pool, now)
    await pool.executemany(
        "insert into audit_checkpoints (number, body, key_id, signature) values ($1, $2, $3, $4) "
        "on conflict do nothing",
        [(each.number, each.text, each.key_id, each.signature) for each in audit.checkpoints],
    )
