"""A soak: sends the load, lets happen what is scheduled until the time is over, and collects what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alarms import rules
from alarms.faults import BY_NAME
from alarms.prometheus import Prometheus
from alarms.stand import CrlAddress, Stand, until, watched_environment
from chaos.customers import Customers
from chaos.faults import FaultInjector
from chaos.idle import IdleCheck
from chaos.load import constant_load
from chaos.observers import SIGNATURE_HOOK
from chaos.plan import Case, Fault
from chaos.testbed import Testbed, open_testbed
from chaos.verdict import Evidence, Verdict, judge
from docs.pages import CHECKOUT
from released import Code
from servicecert_cli.faults import UserError
from servicecert_cli.operations.applications import customer_of, example
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import CANARY, LAG, OCSP, worker_names
from servicecert_launcher import Parts
from servicecert_schemas.topics import SERVICES
from servicecert_schemas.values import CertificateType

from soak.happenings import Firing, Happening, firings
from soak.schedule import Outage, Pause, Rollout, Step, Version
from soak.watching import Growth, Stretch, Watch, growths

SCRAPE_SECONDS = 5.0
AT_ONCE = 1
WORKERS = 3
QUIET_SECONDS = 600.0
BEGIN = Version.THIS
ANNOUNCED: Sequence[str] = ()
"""What CHANGELOG.md says that a process of the last release may let fire, as long as it runs beside this one."""
FIRED = f'ALERTS{{alertstate="firing",alertname!~"{"|".join(ANNOUNCED)}"}}'

Say = Callable[[str], None]


def changed_processes() -> list[str]:
    """Return the processes that short faults and rollouts hit: not the last worker of each service.

    That one lives until an outage of its service, so that it shows how a process grows.
    """
    return [OCSP, *(name for service in SERVICES for name in worker_names(service, WORKERS)[:-1])]


@dataclass(frozen=True)
class Outcome:
    """What came of a soak. `progress` are the moments of new certificates and mails."""

    cases: Sequence[Case]
    evidence: Evidence
    verdict: Verdict
    happenings: Sequence[Happening]
    fired: Sequence[Firing]
    growths: Sequence[Growth]
    progress: Mapping[str, Sequence[float]]
    unexpected_exits: Sequence[str]
    stretch: Stretch


@dataclass
class Soak:
    """A system with customers, whose processes are watched, also by Prometheus."""

    testbed: Testbed
    stand: Stand
    injector: FaultInjector
    code: Mapping[Version, str]
    version: Version
    say: Say
    happenings: list[Happening] = field(default_factory=list)

    async def take(self, step: Step) -> None:
        """Let a step happen, and wait until the system is well again. Raises UserError where it is not."""
        began = time.time()
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Outage(name):
                fault = BY_NAME[name]
                self.say(f"outage: {name}")
                await self._suffer(name)
                await self.until_quiet(fault.alert)
                self._note(name, began, fault.alert, fault.consequences)
            case Rollout(version):
                name = "rolling restart" if version is self.version else f"rollout of {version}"
                self.say(name)
                await self._roll(version)
                self._note(name, began)
            case Fault():
                self.say(f"fault: {step.kind} {step.target} for {step.seconds:.1f} s")
                await self.injector.inject(step)
                self._note(step.kind.value, began)

    def _note(
        self, name: str, began: float, alert: str | None = None, consequences: frozenset[str] = frozenset()
    ) -> None:
        self.happenings.append(Happening(name, Stretch(began, time.time()), alert, consequences))

    async def _suffer(self, name: str) -> None:
        """Inject a fault until its alert fires. Nobody restarts what it ends."""
        fault = BY_NAME[name]
        if name == "database gone":
            self.injector.notifiers_cut_off()
        with self.injector.left_alone(*self.testbed.system.children):
            async with fault.injected(self.stand):
                try:
                    async with asyncio.timeout(rules.alerts()[fault.alert].within):
                        await until(lambda: self._fires(fault.alert), 0.5)
                except TimeoutError:
                    self.say(f"{fault.alert} did not fire")

    async def _fires(self, alert: str) -> bool:
        return alert in await self.stand.firing()

    async def until_quiet(self, alert: str = "") -> None:
        """Wait until no alert fires, this one is not about to, and all processes are scraped. Raises UserError.

        Another worker, or another CA, may show later than the first what happened.
        """

        async def is_over() -> bool:
            return await self.stand.is_quiet(ANNOUNCED) and await self.stand.is_over(alert)

        try:
            async with asyncio.timeout(QUIET_SECONDS):
                await until(is_over, 1.0)
        except TimeoutError:
            firing = ", ".join(sorted(await self.stand.firing())) or "no alert"
            raise UserError(f"{firing} fires, or a process is not up, after {QUIET_SECONDS:.0f} s.") from None

    async def _roll(self, version: Version) -> None:
        """Stop one process after another, and start it with the code of a version once the one before it is ready."""
        system = self.testbed.system
        self.version = version
        for name in changed_processes():
            # Whatever restarts it later: each process stays of its version.
            system.overrides[name] = {"PYTHONPATH": self.code[version]}
            with self.injector.left_alone(name):
                child = system.children[name]
                self.injector.notifier_losses += name.startswith("notifier")
                if (status := await asyncio.to_thread(child.stop)) != 0:
                    self.injector.unexpected_exits.append(f"{name} ended with status {status} when it was stopped")
                await asyncio.to_thread(system.start, name)
                await system.ready(name)


async def run(soak: Soak, steps: Iterable[Step], seed: int, pause: float) -> Outcome:
    """Let the steps happen, one after the other, under a load of one application each `pause` seconds.

    Raises UserError where the system does not come to rest.
    """
    testbed, watch = soak.testbed, Watch(soak.testbed)
    supervising = asyncio.create_task(soak.injector.supervise())
    watching = asyncio.create_task(watch.watch())
    try:
        await soak.until_quiet()
        began = time.time()
        async with constant_load(testbed.traffic, seed, AT_ONCE, pause) as sent:
            for step in steps:
                await soak.take(step)
            await soak.until_quiet()
        ended = time.time()
        # Nothing of theirs is to be waited for.
        with soak.injector.left_alone(CANARY, LAG):
            for name in (CANARY, LAG):
                await asyncio.to_thread(testbed.system.children[name].stop)
            await IdleCheck(testbed.system, testbed.traffic).wait()
            series = await asyncio.to_thread(soak.stand.prometheus.range, FIRED, began, ended, SCRAPE_SECONDS)
            evidence = await testbed.evidence(soak.injector.notifier_losses)
    finally:
        supervising.cancel()
        watching.cancel()
        await asyncio.wait([supervising, watching])
    return Outcome(
        cases=sent,
        evidence=evidence,
        verdict=judge(sent, evidence),
        happenings=soak.happenings,
        fired=list(firings(series, SCRAPE_SECONDS)),
        growths=growths(watch.samples),
        progress=watch.progress,
        unexpected_exits=tuple(soak.injector.unexpected_exits),
        stretch=Stretch(began, ended),
    )


@asynccontextmanager
async def open_soak(
    folder: Path, parts: Parts, identities: Identities, say: Say, *, customers: Customers | None = None
) -> AsyncIterator[Soak]:
    """Start the system in an empty folder, its keys in a token, and Prometheus over it."""
    released = Code.released(folder / "released").path(SIGNATURE_HOOK)
    code = {Version.RELEASED: released, Version.THIS: Code(CHECKOUT).path(SIGNATURE_HOOK)}
    system_folder, mails = folder / "system", folder / "mails"
    system_folder.mkdir()
    mails.mkdir()
    environment = {"PYTHONPATH": code[BEGIN], **watched_environment(folder)}
    async with open_testbed(
        system_folder,
        parts,
        workers=WORKERS,
        token=True,
        monitored=True,
        customers=customers,
        environment=environment,
        identities=identities,
    ) as testbed:
        system = testbed.system
        testbed.mail_server.folder = mails
        customer = customer_of(example(CertificateType.TEST_SERVER))
        with Prometheus(folder / "prometheus", rules.FILES, system.targets, SCRAPE_SECONDS) as prometheus:
            stand = Stand(system, prometheus, testbed.mail_server, CrlAddress(system.crl_folder), customer, [])
            injector = FaultInjector(system, testbed.mail_server)
            yield Soak(testbed, stand, injector, code, BEGIN, say)
