"""Look up the certificate that an application follows, among those of the same account (A14). Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from servicecert_pki.serials import serial_hex
from servicecert_schemas.serials import serial_readings
from servicecert_worker.core.decider import Done, Outcome, Task

from ..domain.case import Case
from ..domain.rules.application import Earlier, Followed
from ..domain.rules.renewal import LookedUp, LookUp
from ..storage import QUERIES
from ..storage.store import CASE


@dataclass(frozen=True, slots=True)
class Find:
    """Find certificates in intake's own cases. Customers learn of a certificate there, so it is stored by then."""

    pool: "asyncpg.Pool"

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return [Done(LookedUp(followed=Followed(task.data.typed, await self._find(task.data)))) for task in tasks]

    async def _find(self, order: LookUp) -> Earlier | None:
        serials = sorted(serial_hex(serial).lower() for serial in serial_readings(order.typed))
        body = await self.pool.fetchval(QUERIES["find_certificate"], serials, order.account_id)
        return None if body is None else earlier_of(CASE.validate_json(body))


def earlier_of(case: Case) -> Earlier | None:
    """Return what a renewal is compared with, or None where the case has no certificate."""
    if case.certificate is None or case.grant is None:
        return None
    return Earlier(case.certificate.serial, case.form.type, case.grant, case.key)
