"""Prints the behaviour of the code that is first on Python's path, as JSON: `python -m docs.probe PROBE …`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def cases(*changes: str) -> object:
    """Return the view of each new case: a correct application for a server certificate with some fields changed."""
    return [_view(_submitted(json.loads(fields))) for fields in changes]


def act(kind: str) -> object:
    """Return the view of an accepted and withdrawn case, after the effect of this kind and its result."""
    from servicecert_intake.service import Settings, open_service
    from servicecert_schemas.application import ApplicationWithdrawn
    from servicecert_worker.core.decider import Done, Result, Task
    from services.intake.conftest import event

    async def done(key: str, data: Any) -> Result:
        pool: Any = None
        async with open_service(Settings(), pool) as service:
            (outcome,) = await service.effects[kind].do([Task(UUID(int=1), key, kind, data, NOW)])
        assert isinstance(outcome, Done)
        return Result(UUID(int=1), key, kind, outcome.data)

    case = _submitted({}).state
    withdrawn = _decided(case, event(ApplicationWithdrawn(case_id=case.case_id, actor=_actor())))
    (data,) = (intent.data for intent in withdrawn.intents if intent.kind == kind)
    return _view(_decided(withdrawn.state, asyncio.run(done(str(case.case_id), data))))


def _actor() -> Any:
    from servicecert_schemas.event import Actor
    from services.intake.conftest import COLLEAGUE

    return Actor.model_validate(COLLEAGUE)


def _submitted(fields: Mapping[str, Any]) -> Any:
    from servicecert_schemas.application import ApplicationSubmitted, Form
    from services.intake.conftest import CASE_ID, GOOD_CSR, SERVER_FORM, event

    form = Form.model_validate({**SERVER_FORM, **fields})
    submitted = ApplicationSubmitted(case_id=CASE_ID, actor=_actor(), form=form, csr="as sent")
    return _decided(None, event(submitted, GOOD_CSR))


def _decided(case: Any, happened: Any) -> Any:
    """Return intake's decision with the shipped profiles, the fictitious registers and the applicant's account."""
    from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
    from servicecert_intake.domain.decide import decide
    from servicecert_intake.domain.knowledge import Knowledge
    from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, apply
    from servicecert_pki.profiles import load_profiles
    from servicecert_schemas.membership import NO_ACCOUNTS, accounts_after
    from services.intake.conftest import opened

    registers = apply(NO_REGISTERS, [(entry.key(), entry) for entry in read_register(FICTITIOUS_REGISTERS)])
    known = Knowledge(registers, accounts_after(NO_ACCOUNTS, [opened("account-1")]))
    return decide(load_profiles(), case, happened, known, NOW)


def _view(decision: Any) -> object:
    from servicecert_schemas.case import CaseChanged

    (view,) = (each for each in decision.events if isinstance(each, CaseChanged))
    return view.model_dump(mode="json")


def refusals() -> object:
    """Return the English answers of issuer and revoker, by code."""
    from servicecert_issuer.domain import unissuable
    from servicecert_revoker.domain.requests import TEXTS

    return {code: texts.en for code, texts in (*unissuable._TEXTS.items(), *TEXTS.items())}


def mails(state: str) -> object:
    """Return the mails of a case that reaches a state, by the recipient's role."""
    from servicecert_notifier.domain.decide import decide
    from servicecert_notifier.domain.reminders import NOTHING_PREPARED
    from servicecert_notifier.domain.task import Letterhead, MailTask
    from servicecert_notifier.mail.domain.letters import write
    from servicecert_notifier.operator.samples import example
    from servicecert_schemas.case import CaseChanged, CaseState, HistoryEntry
    from servicecert_worker.core.decider import Event

    returned = example(CaseChanged, "returned")
    history = (*returned.history, HistoryEntry(state=CaseState(state), at=NOW))
    view = returned.model_copy(
        update={"state": CaseState(state), "deficiencies": (), "history": history, "language": "en"}
    )
    decision = decide(None, Event(UUID(int=1), view.key(), view, NOW), NOTHING_PREPARED, NOW)
    tasks = [intent.data for intent in decision.intents if isinstance(intent.data, MailTask)]
    head = Letterhead(sender="ca@example.fi", name="Authority", contact="help@example.fi")
    letters = [(task, write(task, head)) for task in tasks]
    return {task.recipient.role: [task.content.kind, it.subject, it.text, it.html] for task, it in letters}


def samples() -> object:
    """Return the names of the sample mails, in all languages."""
    from servicecert_notifier.operator import samples
    from servicecert_schemas.values import Language

    return {language: [name for name, _ in samples.samples(language)] for language in Language}


def kinds() -> object:
    """Return the kinds of mail."""
    from servicecert_schemas.mail import MailKind

    return list(MailKind)


def incompatible() -> object:
    """Return the released schemas that are incompatible with the exported ones, and outdated exported files."""
    from contracts.test_compatibility import FILES, NARROWED, faults, load, narrowed
    from servicecert_schemas.export import EXPORTED, differing

    released = {path: narrowed(load(path), NARROWED.get(path.stem, {})) for path in FILES}
    return [p.stem for p, old in released.items() if faults(old, load(EXPORTED / "json" / p.name))] + differing()


def records(*paths: str) -> object:
    """Return the decoded data of stored records."""
    from servicecert_schemas.codec import decode

    def data(stored: Mapping[str, Any]) -> object:
        headers = [(name, text.encode()) for name, text in stored["headers"].items()]
        _, data = decode(stored["topic"], stored["key"].encode(), headers, json.dumps(stored["value"]).encode())
        return {"type": data.TYPE, **data.model_dump(mode="json")}

    return [data(json.loads(Path(path).read_text())) for path in paths]


def written_types(*paths: str) -> object:
    """Return the types under which the events of stored records are written now."""
    from servicecert_schemas.codec import stored, written

    records = [json.loads(Path(path).read_text()) for path in paths]
    return [written(stored(each["headers"]["ce_type"], json.dumps(each["value"])))[0] for each in records]


def too_early(last: str) -> object:
    """Return the types that are written in a version that is not in the folder of the last release."""
    from contracts import test_released

    return test_released.too_early(Path(last))


def metrics() -> object:
    """Return the Prometheus metrics of a revoker's worker after a turn, and of the exporter with 7 for each figure."""
    from prometheus_client import CollectorRegistry, generate_latest
    from servicecert_cli.watching.lag.metrics import Tables, figures
    from servicecert_revoker.operator.trust_gauges import trust_gauges
    from servicecert_worker.runtime.metrics import Metrics
    from servicecert_worker.runtime.turn import TurnResult

    async def seven() -> Mapping[str, float]:
        return {"x": 7.0}

    shown = Metrics("revoker", trust_gauges(seven, seven))
    shown.count(TurnResult((), 0, frozenset(), (), ()), (), NOW, 0.1)
    asyncio.run(shown.own.read())
    tables, registry = Tables(), CollectorRegistry()
    tables.take("revoker", {each.name: {each.labels: 7.0} for each in figures()}, 0.1)
    registry.register(tables)
    return (shown.text() + generate_latest(registry)).decode()


def condition(name: str, metric: str, value: str) -> object:
    """Return the rule of a condition, and what the doctor finds where a figure of intake has a value."""
    from prometheus_client.samples import Sample
    from servicecert_cli.watching.doctor.domain.check import result
    from servicecert_cli.watching.doctor.examine import CATALOGUE, LOOKS

    check = result(CATALOGUE[name], LOOKS[name].judge([Sample(metric, {"service": "intake"}, float(value))]))
    return CATALOGUE[name].rule, (check.severity, check.finding, check.remedy)


def variables() -> object:
    """Return the pages' table of environment variables."""
    from docs.tables import environment

    return environment()


def batch() -> object:
    """Return the batch size of intake's look-ups, from its environment."""
    from servicecert_intake.domain.rules.renewal import LOOK_UP
    from servicecert_intake.service import Settings, open_service

    async def opened() -> int:
        pool: Any = None
        async with open_service(Settings(), pool) as service:
            return service.effects[LOOK_UP].batch

    return asyncio.run(opened())


PROBES = {
    each.__name__: each
    for each in (
        cases,
        act,
        refusals,
        mails,
        samples,
        kinds,
        incompatible,
        records,
        written_types,
        too_early,
        metrics,
        condition,
        variables,
        batch,
    )
}

if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    print(json.dumps(PROBES[what](*arguments)))
