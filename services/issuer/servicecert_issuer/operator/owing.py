"""What the issuer's tables owe to its topics."""

import os
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from servicecert_pki.authority import Authority
from servicecert_schemas.topics import CERTIFICATES
from servicecert_worker.audit.owing import Books
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.owed import Owed

from ..domain.owed import owed
from ..storage import QUERIES
from ..storage.store import CertificateStore


def books(authority: Authority) -> tuple[Books, ...]:
    """Return the issuer's books. Its events have the certificates of `authority` beside the issued ones."""
    chains = {id: (issuer.certificate_der, issuer.root_der) for id, issuer in authority.issuers.items()}

    async def events(connection: Connection, keys: Sequence[str]) -> list[Owed]:
        rows = await connection.fetch(QUERIES["ends"], list(keys))
        if missing := {row["issuer"] for row in rows if row["state"] == "issued"} - chains.keys():
            text = f"The folder of the CA has no {', '.join(sorted(missing))}, which has issued: name the right folder."
            raise OperatorError(text, os.EX_CONFIG)
        ends = {row["key"]: row["at"] for row in rows}
        stored = await CertificateStore().load(connection, keys)
        return [each for it in stored for each in owed(UUID(it.key), it.state, ends[it.key], chains)]

    return (Books((CERTIFICATES,), _keys, events),)


async def _keys(connection: Connection, after: str, since: datetime, limit: int) -> list[str]:
    return [row["key"] for row in await connection.fetch(QUERIES["ended_after"], after, since, limit)]
