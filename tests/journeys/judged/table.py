"""The format of the table of judged applications: cases in words, each with the expected decision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.values import Usage

FOLDER = Path(__file__).parent
FIRST_DAY = datetime(2026, 11, 24, 12, tzinfo=HELSINKI)
GOOD_REQUEST = "ec-p384.pem"
_REPEATED = re.compile(r"\{(.)\*(\d+)\}")
_SIZED = re.compile(r"(\S+) of (\d+) bytes")


def _moment(written: Any) -> Any:
    """Return a moment, in Helsinki's time unless it has an offset. YAML leaves a time without seconds as a string."""
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    elif isinstance(written, date) and not isinstance(written, datetime):
        written = datetime.combine(written, time(12))
    return written.replace(tzinfo=HELSINKI) if isinstance(written, datetime) and written.tzinfo is None else written


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Strict(BaseModel):
    """A part of the table: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class By(Strict):
    """The actor: by default a colleague of the applicant's own account, strongly authenticated."""

    user: str = "user-1"
    account: str = "account-1"
    role: Role = Role.COLLEAGUE
    assurance: Assurance = Assurance.SUBSTANTIAL


class Step(Strict):
    """An event on a day, and its expected outcome. An outcome that is not listed is expected not to occur."""

    does: Literal["submits", "supplements", "attaches", "withdraws", "waits"] = "submits"
    day: Moment | None = None
    handled: Moment | None = None
    by: By = By()
    application: str | None = None
    change: dict[str, Any] = {}
    attached: list[dict[str, Any]] | None = None
    request: str = GOOD_REQUEST

    outcome: CaseState | None = None
    parked: str | None = None
    lacks: dict[str, str | list[str]] = {}
    answer: str | None = None
    due: date | None = None
    subject: dict[Literal["O", "OU", "CN", "serialNumber"], str] | None = None
    dns: list[str] | None = None
    ip: list[str] | None = None
    usages: list[Usage] | None = None
    start_date: date | None = None
    validity_days: int | None = None
    recipients: list[RecipientRole] | None = None
    differs: list[str] | None = None
    key_reused: bool | None = None
    says: list[str] = []
    next: str | None = None

    @property
    def lacking(self) -> set[tuple[str, str]]:
        """Each deficiency with its field."""
        return {
            (code, field)
            for code, fields in self.lacks.items()
            for field in ([fields] if isinstance(fields, str) else fields)
        }


class Case(Step):
    """A case from its first step. `judged` describes it, `earlier` applied for the certificate that it renews."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
    judged: Annotated[str, Field(pattern=r"\.$")]
    earlier: Step | None = None
    then: list[Step] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self, *self.then)


def cases() -> Iterator[Case]:
    """Yield all cases, file by file."""
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name != "bases.yaml":
            yield from (Case.model_validate(each) for each in _read(path))


@cache
def bases() -> dict[str, dict[str, Any]]:
    """Return the applications without deficiencies."""
    bases: dict[str, dict[str, Any]] = _read(FOLDER / "bases.yaml")
    return bases


def _read(path: Path) -> Any:
    return _repeated(yaml.safe_load(path.read_text(encoding="utf-8")))


def _repeated(value: Any) -> Any:
    """Return the value with each `{a*63}` expanded."""
    if isinstance(value, str):
        return _REPEATED.sub(lambda match: match[1] * int(match[2]), value)
    if isinstance(value, list):
        return [_repeated(each) for each in value]
    return {name: _repeated(each) for name, each in value.items()} if isinstance(value, dict) else value


def form_and_attachments(base: str, step: Step) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the form and the attachments of a step: those of its base with its changes."""
    form = _copied(bases()[base])
    attached = form.pop("attached", [])
    for path, value in step.change.items():
        *outer, last = path.split(".")
        target = form
        for name in outer:
            target = target[name]
        target[last] = value
    if step.attached is not None:
        (right,) = bases()["system-signature"]["attached"]
        attached = [{**right, **each} for each in step.attached]
    return form, attached


def _copied(value: Any) -> Any:
    return {name: _copied(each) for name, each in value.items()} if isinstance(value, dict) else value


def request(named: str) -> str | None:
    """Return a stored certificate request, padded with text if a size is given."""
    if named == "none":
        return None
    sized = _SIZED.fullmatch(named)
    text = (FOLDER / "requests" / (sized[1] if sized else named)).read_text()
    return "x" * (int(sized[2]) - len(text) - 1) + "\n" + text if sized else text
