"""`make bench-peers`: certificates a second and their cost, by this system and by others, for the same requests."""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from servicecert_cli.stand.system import System

from bench import issuer, load, raw_signing, whole_way
from bench.peers import cfssl, django_ca, step_ca
from bench.peers.work import Absent, Habits, Speed, Work, make_ca
from bench.results import keep
from bench.stand import cpu_seconds, cpu_times, measured_system

CA_KEYS = whole_way.CA_KEYS
PEERS = (django_ca.PEER, cfssl.PEER, step_ca.PEER)
HEADINGS = (
    "who",
    "certificates/s P-384",
    "RSA-4096",
    "processor ms a certificate: P-384, RSA-4096",
    "checks the request",
    "lints",
    "recorded before signing",
    "audited",
    "published to a topic, mailed",
)
WHOLE_WAY = Habits(
    checks="signature, weak keys, names, the applicant by the registers, the account's rights; each event's signature",
    lints="before signing: pkilint the first of each shape, a second encoder each",
    recorded_before="the number and all bytes to be signed",
    audited="a hash chain with signed checkpoints",
    delivered="both",
)
ISSUER = Habits(
    checks="signature and key once more; each event's signature",
    lints=WHOLE_WAY.lints,
    recorded_before=WHOLE_WAY.recorded_before,
    audited=WHOLE_WAY.audited,
    delivered="a topic",
)


def main(count: int) -> None:
    raw = {family: raw_signing.rate(family) for family in CA_KEYS}
    table = [HEADINGS, ["---"] * len(HEADINGS)]
    with tempfile.TemporaryDirectory() as name:
        csrs = {family: asyncio.run(load.requests(family, Path(name))) for family in CA_KEYS}
        for who, slug, habits, measure in (
            ("this system, one worker of each service", "whole-way", WHOLE_WAY, _whole_way),
            ("its issuer alone, two workers", "issuer", ISSUER, _issuer),
        ):
            table.append(_row(who, slug, habits, asyncio.run(measure(csrs, count)), raw))
        works = [Work(family, csrs[family], count, *make_ca(family, Path(name))) for family in CA_KEYS]
        for peer in PEERS:
            try:
                table.append(_row(peer.name, peer.slug, peer.habits, [peer.measure(work) for work in works], raw))
            except Absent as absent:
                table.append([peer.name, f"not measured: {absent}", *[""] * (len(HEADINGS) - 2)])
    print("\n".join(f"| {' | '.join(row)} |" for row in table))


async def _whole_way(csrs: dict[str, list[str]], count: int) -> list[Speed]:
    async with measured_system() as system:
        return [await _speed(system, whole_way.backlog, csrs[family], count) for family in CA_KEYS]


async def _issuer(csrs: dict[str, list[str]], count: int) -> list[Speed]:
    async with issuer.issuing(issuer.Variant(workers=2)) as system:
        return [await _speed(system, issuer.backlog, csrs[family], count) for family in CA_KEYS]


async def _speed(
    system: System, backlog: Callable[[System, list[str], int], Awaitable[float]], csrs: list[str], count: int
) -> Speed:
    await backlog(system, csrs, max(20, count // 10))
    used = cpu_seconds(system)
    rate = await backlog(system, csrs, count)
    return Speed(rate, sum(cpu_times(used, cpu_seconds(system), count).values()))


def _row(who: str, slug: str, habits: Habits, speeds: Sequence[Speed], raw: dict[str, float]) -> Sequence[str]:
    """Store the speeds with both keys, and return the row of the table."""
    for (family, key), speed in zip(CA_KEYS.items(), speeds, strict=True):
        keep(f"peers-{slug}-{key}", speed.per_second, "per second", f"raw {key} signing", raw[family])
        signature = (os.cpu_count() or 1) * 1000 / raw[family]
        keep(f"peers-{slug}-{key}-cpu", speed.milliseconds, "ms", f"raw {key} signature", signature)
    rates = [f"{speed.per_second:,.0f}" for speed in speeds]
    costs = ", ".join(f"{speed.milliseconds:.1f}" for speed in speeds)
    return [who, *rates, costs, habits.checks, habits.lints, habits.recorded_before, habits.audited, habits.delivered]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--count", type=int, default=4_000, help="certificates with each kind of CA key")
    main(parser.parse_args().count)
