"""`servicecert watch`: follow a case as the customer sees it."""

import math
from contextlib import aclosing
from uuid import UUID

import click
from servicecert_schemas.case import CaseChanged, CaseState, NextActor
from servicecert_schemas.values import Language

from ..connections.addresses import cluster
from ..faults import UserError
from ..operations.cases import changes
from ..terminal import interruption
from ..terminal.output import as_json, print_json_text
from ..terminal.printing import Printer, console
from .options import ID, language, one_of

_AFTER_DELIVERY = frozenset({CaseState.REVOCATION_REQUESTED, CaseState.REVOKED})


@click.command()
@click.argument("case_id", metavar="CASE", type=ID)
@click.option(
    "--until",
    "states",
    type=one_of(CaseState),
    multiple=True,
    metavar="STATE",
    help="End when the case reaches this state; may be given more than once.",
)
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="End after this many seconds, with exit code 1."
)
@language
@as_json
def command(case_id: UUID, states: tuple[str, ...], timeout: float | None, language: str | None, as_json: bool) -> None:
    """Follow a case and print each of its states.

    Also prints the time, the next step and what to correct. Starts with the known states
    and goes on until Ctrl-C. With --json every view of the case is a line. Exit code 1:
    the case ended in another state than those of --until.

    Examples:
      servicecert watch 0d9e6f5e-4c1b-4a7e-9a27-6f1d2f0c5b11
      servicecert watch 0d9e… --until delivered --until returned --timeout 60
    """
    chosen = None if language is None else Language(language)
    interruption.run(_follow(case_id, states, timeout or math.inf, chosen, as_json=as_json))


async def _follow(
    case_id: UUID, states: tuple[str, ...], seconds: float, language: Language | None, *, as_json: bool
) -> None:
    last: CaseChanged | None = None
    async with aclosing(changes(cluster(), case_id, seconds)) as views:
        async for case in views:
            if as_json:
                print_json_text(case.model_dump_json())
            else:
                _print(case, last, language or case.language)
            last = case
            if any(entry.state in states for entry in case.history):
                return
            is_open = case.state is CaseState.DELIVERED and not _AFTER_DELIVERY.isdisjoint(states)
            if states and case.acts_next is NextActor.NOBODY and not is_open:
                raise UserError(f"The case {case_id} did not reach {' or '.join(states)}: it ended as {case.state}.")
    if last is None:
        raise UserError(f"No event of the case {case_id} in {seconds:g} s: check its id, or run `servicecert lag`.")
    what = f"did not reach {' or '.join(states)} in" if states else "was followed for"
    raise UserError(f"The case {case_id} {what} {seconds:g} s.")


def _print(case: CaseChanged, before: CaseChanged | None, language: Language) -> None:
    """Print what is new in a case: states, what to correct, the certificate, the next step, an answer."""
    teller = Printer(console())
    printed = 0 if before is None else len(before.history)
    moved = len(case.history) > printed
    teller.states(case, printed)
    if before is None or case.deficiencies != before.deficiencies:
        teller.deficiencies(case.deficiencies)
    if case.certificate is not None and (before is None or before.certificate is None):
        teller.fact("serial", case.certificate.serial)
        teller.fact("subject", case.certificate.subject)
    if moved or (before is not None and case.next_step != before.next_step):
        teller.fact("next", case.next_step.in_language(language))
    if case.answer is not None and (before is None or case.answer != before.answer):
        teller.fact("answer", case.answer.texts.in_language(language))
