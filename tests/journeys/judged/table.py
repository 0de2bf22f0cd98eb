"""The table of judged applications as it is read: cases in words, each with what a caseworker answers by the rules."""

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
    """A moment as it is written: Helsinki's time where nothing else is said. YAML takes the seconds for optional only beside the minutes."""
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    elif isinstance(written, date) and not isinstance(written, datetime):
        written = datetime.combine(written, time(12))
    return written.replace(tzinfo=HELSINKI) if isinstance(written, datetime) and written.tzinfo is None else written


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Strict(BaseModel):
    """A part of the table: a word that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class By(Strict):
    """Who acts: by default a colleague of the applicant's own account, strongly authenticated."""

    user: str = "user-1"
    account: str = "account-1"
    role: Role = Role.COLLEAGUE
    assurance: Assurance = Assurance.SUBSTANTIAL


class Step(Strict):
    """What happens on a day, and what comes of it. What is not said to come is expected to stay away."""

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
        """Each deficiency with the field that it is told for."""
        return {
            (code, field)
            for code, fields in self.lacks.items()
            for field in ([fields] if isinstance(fields, str) else fields)
        }


class Case(Step):
    """A case from its first step on. `judged` says in words what is judged, `earlier` what led to the certificate that it follows."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
    judged: Annotated[str, Field(pattern=r"\.$")]
    earlier: Step | None = None
    then: list[Step] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self, *self.then)


def cases() -> Iterator[Case]:
    """All cases, file by file."""
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name != "bases.yaml":
            yield from (Case.model_validate(each) for each in _read(path))


@cache
def bases() -> dict[str, dict[str, Any]]:
    """The applications that are right in all respects."""
    found: dict[str, dict[str, Any]] = _read(FOLDER / "bases.yaml")
    return found


def _read(path: Path) -> Any:
    return _repeated(yaml.safe_load(path.read_text(encoding="utf-8")))


def _repeated(value: Any) -> Any:
    """The value with each `{a*63}` written out."""
    if isinstance(value, str):
        return _REPEATED.sub(lambda found: found[1] * int(found[2]), value)
    if isinstance(value, list):
        return [_repeated(each) for each in value]
    return {name: _repeated(each) for name, each in value.items()} if isinstance(value, dict) else value


def form_and_attachments(base: str, step: Step) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The form and the attachments of a step: the base's with what differs."""
    form = _copied(bases()[base])
    attached = form.pop("attached", [])
    for path, value in step.change.items():
        *outer, last = path.split(".")
        place = form
        for name in outer:
            place = place[name]
        place[last] = value
    if step.attached is not None:
        (right,) = bases()["system-signature"]["attached"]
        attached = [{**right, **each} for each in step.attached]
    return form, attached


def _copied(value: Any) -> Any:
    return {name: _copied(each) for name, each in value.items()} if isinstance(value, dict) else value


def request(named: str) -> str | None:
    """A stored certificate request, with text before it where it is to have a size."""
    if named == "none":
        return None
    sized = _SIZED.fullmatch(named)
    text = (FOLDER / "requests" / (sized[1] if sized else named)).read_text()
    return "x" * (int(sized[2]) - len(text) - 1) + "\n" + text if sized else text
