"""Intake's one act: it looks up the certificate that an application follows, among those of the same account (A14).

It only reads, so that doing it again does no harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import TypeAdapter
from servicecert_pki.serials import serial_hex, serial_readings
from servicecert_worker.decider import Done, Outcome, Task

from ..domain.case import Case
from ..domain.rules.renewal import Earlier, Followed, LookedUp, LookUp
from ..storage import QUERIES

_CASE = TypeAdapter(Case)


@dataclass(frozen=True, slots=True)
class Find:
    """Finds certificates in intake's own cases: a customer knows of a certificate from its case only, so that it is there before it is followed."""

    pool: "asyncpg.Pool[Any]"

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return [Done(LookedUp(followed=Followed(task.data.typed, await self._find(task.data)))) for task in tasks]

    async def _find(self, wanted: LookUp) -> Earlier | None:
        serials = sorted(serial_hex(serial).lower() for serial in serial_readings(wanted.typed))
        body = await self.pool.fetchval(QUERIES["find_certificate"], serials, wanted.account_id)
        return None if body is None else earlier_of(_CASE.validate_json(body))


def earlier_of(case: Case) -> Earlier | None:
    """What a renewal is compared with, of a case that has a certificate."""
    if case.certificate is None or case.grant is None:
        return None
    return Earlier(case.certificate.serial, case.form.type, case.grant, case.key)
