"""Reads settings from the environment. What is wrong with them is said in the words of this page, all of it at once."""

import json
import logging
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from ..core.faults import OperatorError
from .settings import names_secret

log = logging.getLogger(__name__)
S = TypeVar("S", bound=BaseSettings)

OURS = ("SERVICECERT_", "SMTP_")
"""How the names of variables begin that only this project reads."""
KNOWN = Path(__file__).with_name("variables.txt")
"""The names of all that a process or a command reads: services share a file of variables, and know no other's."""
_LONGEST = 60
_NEEDED = {
    "bool_parsing": "true or false",
    "path_not_file": "a file",
    "path_not_directory": "a folder",
    "pattern_regex": "a regular expression",
    "string_too_short": "some text",
}
_RANGES = {"int": "a whole number", "float": "a number", "timedelta": "a duration such as P184D or 3600 (seconds)"}
_BOUNDS = {"ge": "of at least {}", "gt": "above {}", "le": "of at most {}", "lt": "below {}"}


def read(kind: type[S]) -> S:
    """Return settings. Raises `OperatorError`, a line for each fault."""
    settings: S
    (settings,) = read_all(kind)
    return settings


def read_all(*kinds: type[BaseSettings]) -> tuple[Any, ...]:
    """Return these settings. Raises `OperatorError`, a line for each fault of them all.

    So has each variable that nothing reads: it may be a missing one, misspelt.
    """
    found: list[BaseSettings] = []
    wrong: dict[str, None] = {}
    for kind in kinds:
        try:
            found.append(kind())
        except ValidationError as error:
            wrong |= dict.fromkeys(faults(kind, error))
    if wrong:
        raise OperatorError("\n".join((*unknown_variables(), *wrong)))
    return tuple(found)


def faults(kind: type[BaseSettings], error: ValidationError, *, missing: bool = True) -> Iterator[str]:
    """Yield a sentence for each variable that is wrong and, if asked, missing. It quotes no secret and no free text."""
    fields = {field.alias or name.upper(): field for name, field in kind.model_fields.items()}
    for fault in error.errors(include_url=False):
        if missing or fault["type"] != "missing":
            variable = str(fault["loc"][0]).upper() if fault["loc"] else ""
            yield _sentence(variable, fields.get(variable), fault).rstrip(".") + "."


def _sentence(variable: str, field: FieldInfo | None, fault: Any) -> str:
    if fault["type"] == "missing":
        return f"Set {variable}"
    if field is None or (needed := _needed(field, fault)) is None:
        text = fault["msg"].removeprefix("Value error, ")
        joint = " " if text.startswith(("is ", "has ", "names ")) else ": "
        return joint.join(filter(None, (variable, text)))
    given = os.environ.get(variable, str(fault["input"]))[:_LONGEST]
    value = "wrong" if names_secret(variable) else json.dumps(given, ensure_ascii=False)
    return f"{variable} is {value}: {needed} is needed"


def _needed(field: FieldInfo, fault: Any) -> str | None:
    """Return what a setting has to be; None where the fault's own text says it."""
    if choices := fault.get("ctx", {}).get("expected"):
        return f"one of {choices}".replace("'", "").replace(" or ", ", ")
    if pattern := fault.get("ctx", {}).get("pattern"):
        return "an e-mail address" if "@" in pattern else f"text that matches {pattern}"
    kind = next((words for name, words in _RANGES.items() if name in str(field.annotation)), None)
    if fault["type"].startswith(("int_", "float_", "finite_", "time_delta_", "greater_", "less_")) and kind:
        bounds = {name: getattr(each, name) for each in field.metadata for name in _BOUNDS if hasattr(each, name)}
        if bounds.keys() == {"ge", "le"}:
            return f"{kind} from {bounds['ge']:,} to {bounds['le']:,}"
        limits = " and ".join(_BOUNDS[name].format(f"{it:,}") for name, it in bounds.items())
        return f"{kind} {limits}".rstrip()
    return _NEEDED.get(fault["type"])


def unknown_variables() -> Iterator[str]:
    """Yield a sentence for each variable of ours that is set and that no process and no command reads."""
    from difflib import get_close_matches

    known = KNOWN.read_text().split()
    for name in sorted(name for name in os.environ if name.startswith(OURS) and name not in known):
        close = get_close_matches(name, known, 1, 0.8)
        yield f"{name} is not known" + (f"; is {close[0]} meant?" if close else ": remove it.")


@cache
def warn_of_unknown_variables() -> None:
    """Log the variables that nothing reads, once in a process."""
    for sentence in unknown_variables():
        log.warning("%s", sentence)
