"""One fault after another: what fires, when, and nothing else; the recording of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from servicecert_cli.watching.conditions import CONDITIONS

from alarms import rules
from alarms.faults import Fault
from alarms.page import failed_commands
from alarms.recording import file_name, write_case
from alarms.stand import SCRAPE_SECONDS, Stand, now, until, until_quiet

BEFORE_SECONDS = 60.0
LINGER_SECONDS = 20.0
STEADY_SECONDS = 10.0
"""After its alert has fired, the recording says that it fires: the replay evaluates at other moments."""
HEALTHY_SECONDS = 15.0
"""Between two scrapes of a healthy system, as in production."""
MEND_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fault: seconds until its alert fired, and from its mending until it was over.

    And the other alerts that fired, and the commands of the alert's page that failed.
    """

    fault: Fault
    fired: float | None
    over: float | None
    others: frozenset[str]
    failed_commands: tuple[str, ...] = ()

    @property
    def within(self) -> float:
        return rules.alerts()[self.fault.alert].within

    @property
    def is_good(self) -> bool:
        in_time = self.fired is not None and self.fired <= self.within and self.over is not None
        return in_time and not self.others and not self.failed_commands

    def row(self) -> str:
        """Return the row of the table of faults."""
        fired = "never" if self.fired is None else f"{self.fired:.0f}"
        over = "never" if self.over is None else f"{self.over:.0f}"
        page = f"[page](runbook/{CONDITIONS[self.fault.alert].page})"
        others = f" and {', '.join(sorted(self.others))}" if self.others else ""
        return f"| {self.fault.name} | `{self.fault.alert}`{others} | {fired} | {self.within:.0f} | {over} | {page} |"


HEAD = (
    "| fault | alert that fired | seconds until it fired | promised | seconds until it was over | what to do |\n"
    "|---|---|--:|--:|--:|---|"
)


async def suffer(stand: Stand, fault: Fault, folder: Path | None = None) -> Outcome:
    """Inject a fault until its alert fires, mend it, and wait until nothing fires.

    While it lasts, the commands of the alert's page are run. Write the recording to `folder`.
    """
    await until_quiet(stand)
    await asyncio.sleep(BEFORE_SECONDS if folder else 0)
    began, fired = now(), None
    async with fault.injected(stand):
        try:
            async with asyncio.timeout(rules.alerts()[fault.alert].within):
                await until(lambda: _fires(stand, fault), 0.5)
            fired = now() - began
        except TimeoutError:
            pass
        seen_at = now()
        output = stand.system.folder / f"{file_name(fault)}.txt"
        failed = await failed_commands(stand.system, fault.alert, output)
        await asyncio.sleep(max(0.0, seen_at + LINGER_SECONDS - now()))
    mended, over = now(), None
    try:
        await until_quiet(stand, MEND_SECONDS)
        over = now() - mended
    except TimeoutError:
        pass
    others = await asyncio.to_thread(fired_since, stand, began)
    if folder is not None and fired is not None:
        start, path = began - BEFORE_SECONDS, folder / f"{file_name(fault)}.yml"
        steady = seen_at + STEADY_SECONDS
        found = await asyncio.to_thread(stand.prometheus.vector, 'ALERTS{alertstate="firing"}', steady)
        allowed = {each.labels["alertname"] for each in found} & {fault.alert, *fault.consequences}
        firing = {began: (), steady: sorted(allowed)}
        await asyncio.to_thread(write_case, stand.prometheus, int(SCRAPE_SECONDS), start, firing, path)
    return Outcome(fault, fired, over, others - {fault.alert} - fault.consequences, failed)


async def stay_healthy(stand: Stand, minutes: float, folder: Path | None = None) -> frozenset[str]:
    """Watch a system that nothing happens to. Return the alerts that fired; write the recording to `folder`."""
    await until_quiet(stand)
    began = now()
    await asyncio.sleep(60 * minutes)
    fired = await asyncio.to_thread(fired_since, stand, began)
    if folder is not None:
        moments = {began + 60 * minute: () for minute in range(1, int(minutes) + 1)}
        path = folder / "healthy.yml"
        await asyncio.to_thread(write_case, stand.prometheus, int(HEALTHY_SECONDS), began, moments, path)
    return fired


async def _fires(stand: Stand, fault: Fault) -> bool:
    wanted = {"alertname": fault.alert, **fault.labels}
    return any(wanted.items() <= labels.items() for labels in await asyncio.to_thread(stand.prometheus.firing))


def fired_since(stand: Stand, began: float) -> frozenset[str]:
    """Return the alerts that fired since."""
    seconds = int(now() - began) + 1
    firing = f'count_over_time(ALERTS{{alertstate="firing"}}[{seconds}s])'
    fired = stand.prometheus.vector(f"count by (alertname) ({firing})")
    return frozenset(each.labels["alertname"] for each in fired)


async def suffer_all(stand: Stand, faults: Sequence[Fault], folder: Path | None = None) -> list[Outcome]:
    """Inject one after another, and print each row."""
    outcomes = []
    print(HEAD, flush=True)
    for fault in faults:
        outcomes.append(await suffer(stand, fault, folder))
        print(outcomes[-1].row(), flush=True)
    return outcomes
