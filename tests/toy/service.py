"""A minimal service with every feature of one: state, events, effects, deadlines.

An `ApplicationWithdrawn` carries a number in its reason. The toy stores the numbers of a case in the order of arrival,
publishes each once to `certificates`, does an act for each, and publishes its result too. Some reasons make it fail.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings
from servicecert_schemas import topics
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_schemas.certificate import CertificateIntended, CertificateVoided, IssuingRefused
from servicecert_schemas.values import Texts
from servicecert_worker.core.clock import Clock
from servicecert_worker.core.decider import (
    Conflict,
    Connection,
    Deadline,
    Decision,
    Done,
    Due,
    Effect,
    Event,
    Happened,
    Intent,
    Outcome,
    Oversight,
    Result,
    Retry,
    Rules,
    Service,
    Stored,
    Tables,
    Task,
)

NAME = "toy"
MIGRATIONS = Path(__file__).with_name("migrations")
READS = (topics.APPLICATIONS, topics.ACCOUNTS)
PATIENT = ()
BESIDE = ".beside"
"""The suffix of the file that tells that a worker has opened what runs beside its turns."""
NO_TEXTS = Texts(sv="-", fi="-", en="-")


@dataclass(frozen=True, slots=True)
class Tally:
    """The state of a case: its numbers, those with a result, and how often it woke."""

    case_id: str
    numbers: tuple[str, ...] = ()
    acted: tuple[str, ...] = ()
    woken: int = 0


class Act(BaseModel):
    case_id: str
    number: str


def decide(state: Tally | None, happened: Happened, known: None, now: datetime) -> Decision[Tally]:
    match happened:
        case Event(data=ApplicationWithdrawn() as data):
            return _number(state or Tally(str(data.case_id)), data, now)
        case Result(data=Act() as act) if state is not None:
            acted = replace(state, acted=(*state.acted, act.number))
            return Decision(acted, events=(_acted(act),))
        case Due() if state is not None:
            return Decision(replace(state, woken=state.woken + 1))
    raise AssertionError(f"The toy does not know {type(happened)}.")


def _number(state: Tally, data: ApplicationWithdrawn, now: datetime) -> Decision[Tally]:
    number = data.reason or ""
    if number.startswith("ignore"):
        return Decision(state)
    while number == "hang-in-decide":
        pass
    if number.startswith("raise-in-decide"):
        raise ValueError("This text may be personal and must not be seen.")
    return Decision(
        replace(state, numbers=(*state.numbers, number)),
        events=(IssuingRefused(case_id=data.case_id, code=f"n{number}", texts=NO_TEXTS), _intended(data, now)),
        intents=(Intent("act", Act(case_id=str(data.case_id), number=number)),),
        deadlines=(Deadline("wake", now + timedelta(seconds=0.2)),),
    )


def _acted(act: Act) -> CertificateVoided:
    return CertificateVoided(
        case_id=act.case_id, issuer="toy", serial="01", serial_decimal="1", code=f"acted-{act.number}"
    )


class TallyStore:
    """One table; the database rejects a state with the number `raise-in-save`."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[Tally]]:
        rows = await connection.fetch("select key, version, body from tally where key = any($1::text[])", keys)
        return [
            Stored(row["key"], row["version"], Tally(**{k: _frozen(v) for k, v in json.loads(row["body"]).items()}))
            for row in rows
        ]

    async def save(self, connection: Connection, changed: Sequence[Stored[Tally]]) -> None:
        for entry in changed:
            state = entry.state
            body = json.dumps(
                {"case_id": state.case_id, "numbers": state.numbers, "acted": state.acted, "woken": state.woken}
            )
            saved = await connection.fetchval(
                """insert into tally (key, version, body) values ($1, $2 + 1, $3)
                   on conflict (key) do update set version = excluded.version, body = excluded.body
                   where tally.version = $2 returning 1""",
                entry.key,
                entry.version,
                body,
            )
            if saved is None:
                raise Conflict(entry.key)


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _intended(data: ApplicationWithdrawn, now: datetime) -> CertificateIntended:
    """Return what tells of an act before it is done, with its number as the profile; a toy signs nothing."""
    return CertificateIntended(
        case_id=data.case_id,
        issuer="toy",
        serial="01",
        tbs="AAAA",
        profile=f"n{data.reason}",
        profile_version=1,
        partition=0,
        key_sha256="0" * 64,
        business_id="0204819-8",
        not_before=now,
        not_after=now,
        sign_by=now,
    )


def toy(acts: Path, seconds: float) -> Service[Tally, None]:
    """Return the toy service. Each act is a line in the file `acts`, written `seconds` before its result."""

    async def act(tasks: Sequence[Task]) -> Sequence[Outcome]:
        if any(task.data.number == "act-raises" and task.tries == 0 for task in tasks):
            raise RuntimeError("This text may be personal and must not be seen.")
        with acts.open("a") as file:
            for task in tasks:
                file.write(f"{task.data.case_id} {task.data.number}\n")
        await asyncio.sleep(seconds)
        return [Retry("-") if task.data.number.startswith("never") else Done(task.data) for task in tasks]

    return Service(
        NAME,
        reads=READS,
        rules=Rules(decide, examine=examine, concerns=lambda data: getattr(data, "reason", None) != "skip"),
        tables=Tables(TallyStore(), storable=lambda value: value.replace(b"secret", b"hidden")),
        effects={"act": Effect(Act, act, after_events=True)},
    )


def examine(events: Sequence[Event]) -> Sequence[Event]:
    """Raise for a batch with an event whose reason starts with `raise-in-examine`."""
    if any(
        isinstance(e.data, ApplicationWithdrawn) and (e.data.reason or "").startswith("raise-in-examine")
        for e in events
    ):
        raise RuntimeError("This text may be personal and must not be seen.")
    return events


class Settings(BaseSettings):
    """The file that the toy writes its acts to, the seconds that one takes, and whether it plays a production CA."""

    acts: Path = Field(alias="TOY_ACTS")
    act_seconds: float = Field(0.0, alias="TOY_ACT_SECONDS")
    production: bool = Field(False, alias="TOY_PRODUCTION")


@asynccontextmanager
async def open_service(
    settings: Settings, pool: asyncpg.Pool[Any], _clock: Clock
) -> AsyncIterator[Service[Tally, None]]:
    opened = toy(settings.acts, settings.act_seconds)
    beside = partial(_beside, settings.acts.with_suffix(BESIDE))
    yield replace(opened, oversight=Oversight(holds_production_keys=settings.production), beside=beside)


@asynccontextmanager
async def _beside(file: Path, _require_clock: Callable[[], None]) -> AsyncIterator[None]:
    await asyncio.to_thread(file.touch)
    yield
