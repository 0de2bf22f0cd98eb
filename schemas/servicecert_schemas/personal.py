"""Which events may hold personal data (E3): all that have a text of which nobody has said that it names no person.

A type of text, or a single field, says so by `NAMES_NOBODY`. A new field without it counts as personal, so a topic that
would keep it for ever cannot be declared (see `topics`).
"""

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel


class _NamesNobody:
    """The mark of a text that holds no personal data."""

    def __repr__(self) -> str:
        return "NAMES_NOBODY"


NAMES_NOBODY = _NamesNobody()

_NO_TEXTS = (bool, int, date, datetime, AwareDatetime, UUID, Enum, type(None))


def personal_fields(model: type[BaseModel]) -> list[str]:
    """Return the names of the fields that may hold personal data, themselves or in a model in them."""
    return [name for name, field in model.model_fields.items() if _may_name(field.annotation, *field.metadata)]


def _may_name(kind: Any, *marks: Any) -> bool:
    """Return whether a value of this type may; a type that is not known here may, too."""
    if NAMES_NOBODY in marks or kind is Ellipsis or get_origin(kind) is Literal:
        return False
    if get_origin(kind) is Annotated:
        return _may_name(*get_args(kind))
    if parts := get_args(kind):
        return any(_may_name(part) for part in parts)
    if issubclass(kind, BaseModel):
        return bool(personal_fields(kind))
    return not issubclass(kind, _NO_TEXTS)
