"""The output of a soak: tables of what happened, what fired, how processes grew, and what was lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from chaos import report as chaos_report

from soak.happenings import Happening, meanwhile, silent, unexplained
from soak.run import Outcome
from soak.watching import Stretch, longest_pause

MIB = 1024 * 1024
MOST_MEMORY, MOST_FILES = 0.25, 20
"""By how much a process may grow once it is warm: as a part of its memory, and file descriptors."""


def lines(outcome: Outcome) -> Iterator[str]:
    """Yield the report, in Markdown."""
    yield from _counts(outcome)
    yield ""
    yield from _happened(outcome)
    yield ""
    yield from _pauses(outcome)
    yield ""
    yield from _growths(outcome)


def _counts(outcome: Outcome) -> Iterator[str]:
    evidence, verdict = outcome.evidence, outcome.verdict
    cases = {case.case_id for case in outcome.cases}
    views = [each for case_id, each in evidence.topics.cases.items() if case_id in cases]
    yield "| | |"
    yield "|---|--:|"
    for name, value in (
        ("minutes", f"{outcome.stretch.seconds / 60:.0f}"),
        ("applications", len(outcome.cases)),
        ("certificates", sum(bool(each.issued) for each in views)),
        ("revoked", sum(bool(each.revoked) for each in views)),
        ("applications of the canary", len(evidence.topics.canaries)),
        ("mails received, and again", f"{len(evidence.mails)}, {evidence.copies}"),
        ("mails that may be received again", evidence.copies_allowed),
        ("lost", len(verdict.lost)),
        ("doubled", len(verdict.doubled)),
        ("orphan signatures", len(verdict.orphans)),
        ("wrongly parked", len(verdict.wrongly_parked)),
        ("inconsistencies", len(verdict.inconsistencies)),
        ("unexpected exits", len(outcome.unexpected_exits)),
        ("alerts that nothing explains", len(unexplained(outcome.fired, outcome.happenings))),
        ("outages whose alert was silent", len(silent(outcome.fired, outcome.happenings))),
    ):
        yield f"| {name} | {value} |"


def _happened(outcome: Outcome) -> Iterator[str]:
    """Each kind of happening, with the alerts that fired meanwhile."""
    kinds: dict[str, list[Happening]] = defaultdict(list)
    for each in outcome.happenings:
        kinds[each.name].append(each)
    yield "| what happened | times | longest until all was well, in s | alert that must fire | alerts that fired |"
    yield "|---|--:|--:|---|---|"
    for name, happened in kinds.items():
        fired = {
            firing.alert
            for firing in outcome.fired
            for each in happened
            if (each.explains(firing) if each.alert else each.stretch.touches(firing.stretch))
        }
        longest = max(each.stretch.seconds for each in happened)
        wanted = f"`{happened[0].alert}`" if happened[0].alert else "none"
        yield (
            f"| {name} | {len(happened)} | {longest:.0f} | {wanted} | "
            f"{', '.join(f'`{alert}`' for alert in sorted(fired)) or 'none'} |"
        )


def _pauses(outcome: Outcome) -> Iterator[str]:
    outages = [each.stretch for each in outcome.happenings if each.alert is not None]
    yield "| longest pause of | s | meanwhile |"
    yield "|---|--:|---|"
    for what, moments in outcome.progress.items():
        inside = [at for at in moments if outcome.stretch.began <= at <= outcome.stretch.ended]
        for words, besides in ((f"{what}s", ()), (f"{what}s, no outage", outages)):
            if (pause := longest_pause(inside, besides)) is not None:
                yield f"| {words} | {pause.seconds:.0f} | {_meanwhile(pause, outcome)} |"


def _meanwhile(pause: Stretch, outcome: Outcome) -> str:
    return ", ".join(meanwhile(pause, outcome.happenings)) or "nothing"


def _growths(outcome: Outcome) -> Iterator[str]:
    yield "| process that lived longest | processes | min | MiB | growth | files | growth |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for each in outcome.growths:
        yield (
            f"| {each.service} | {each.lives} | {each.minutes:.0f} | {each.first.memory / MIB:.0f} "
            f"| {each.memory / MIB:+.1f} | {each.first.files} | {each.files:+d} |"
        )


def findings(outcome: Outcome) -> Iterator[str]:
    """Yield what is wrong, nothing after a good soak."""
    yield from chaos_report.findings(outcome.verdict)
    yield from outcome.unexpected_exits
    for firing in unexplained(outcome.fired, outcome.happenings):
        happened = ", ".join(meanwhile(firing.stretch, outcome.happenings)) or "nothing"
        after = firing.stretch.began - outcome.stretch.began
        yield f"{firing.alert} fired after {after:.0f} s for {firing.stretch.seconds:.0f} s; meanwhile: {happened}"
    for each in silent(outcome.fired, outcome.happenings):
        yield f"{each.alert} did not fire during: {each.name}"
    for growth in outcome.growths:
        if growth.memory > MOST_MEMORY * growth.first.memory or growth.files > MOST_FILES:
            yield f"{growth.service} grew by {growth.memory / MIB:.1f} MiB and {growth.files} file descriptors"
