"""The format of the pairwise tables: the declared factors, and the judged cases that are drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from journeys.judged.table import Moment, Strict
from pydantic import BeforeValidator, Field
from servicecert_schemas.case import CaseState
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.values import Language

FOLDER = Path(__file__).parent

Drawn = Mapping[str, str]
Pair = frozenset[tuple[str, str]]


def _listed(written: Any) -> Any:
    return [written] if isinstance(written, str) else written


Names = Annotated[list[str], BeforeValidator(_listed)]


class Factors(Strict):
    """The factors of a table, each with its values in words.

    `hidden_by` are values for which a case is refused before anything else is judged: such a case covers only the pairs
    with them. `never` are pairs that are not drawn, with the reason.
    """

    factors: dict[str, dict[str, str]]
    hidden_by: list[dict[str, Names]]
    never: tuple[dict[str, Names], ...] = ()

    def required(self) -> Iterator[Pair]:
        """Yield all pairs of values that cases have to cover."""
        for (first, ones), (second, others) in combinations(self.factors.items(), 2):
            for one in ones:
                for other in others:
                    if not any(_is_like({first: one, second: other}, each) for each in self.never):
                        yield frozenset(((first, one), (second, other)))

    def covered(self, drawn: Drawn) -> Iterator[Pair]:
        """Yield the pairs that a case covers."""
        hiding = [set(each) for each in self.hidden_by if _is_like(drawn, each)]
        for pair in combinations(drawn.items(), 2):
            if not hiding or any(factors <= {factor for factor, _ in pair} for factors in hiding):
                yield frozenset(pair)


def _is_like(drawn: Drawn, pattern: Mapping[str, list[str]]) -> bool:
    return all(drawn.get(factor) in values for factor, values in pattern.items() if factor != "because")


class Judged(Strict):
    """A drawn case. `rules` are the sentences of rules.yaml that it follows."""

    id: Annotated[str, Field(pattern=r"^[A-Z][0-9]{3}$")]
    drawn: dict[str, str]
    rules: Annotated[list[str], Field(min_length=1)]


class Stage(Strict):
    """What is expected at a moment. A field includes its parts: `signatory` is also `signatory.name`.

    `outcome` is a state, or `open` for a case that goes on waiting. `perhaps` are fields of which the rules leave open
    whether they are told as well. `told` is whether who acted last is told that it had no effect.
    """

    outcome: CaseState | Literal["open"] | None = None
    fields: list[str] | None = None
    perhaps: tuple[str, ...] = ()
    told: bool | None = None
    due: Moment | None = None


class Application(Judged):
    """An application: after its submission, after what the drawn user did, and at the end."""

    submitted: Stage | None = None
    acted: Stage
    ended: Stage | None = None


class Revocation(Judged):
    """A request for revocation.

    `answer` is that to the request, `refused_as` the codes of which one answers a refused request, `reason` and
    `invalid_since` are those of the last CRL, `due` is the end of the granted request's 24 hours. `blocked` is whether
    the key may never be used again. `mails` are those about the request's own revocation: address and language.
    """

    answer: Literal["granted", "refused"]
    refused_as: list[str] | None = None
    reason: RevocationReason | None = None
    invalid_since: Moment | Literal["by-now"] | None = None
    due: Moment | None = None
    blocked: bool
    mails: dict[str, Language] | None = None


def rules() -> dict[str, str]:
    """Return the sentences of the rules by name."""
    sentences: dict[str, str] = _read("rules")
    return sentences


def factors(table: str) -> Factors:
    """Return the declared factors of a table."""
    return Factors.model_validate(_read("factors")[table])


def applications() -> list[Application]:
    """Return the judged applications."""
    return [Application.model_validate(each) for each in _read("applications")]


def revocations() -> list[Revocation]:
    """Return the judged requests for revocation."""
    return [Revocation.model_validate(each) for each in _read("revocations")]


def _read(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
