"""Lists of members that may grow within a version, and how a reader handles a member that it does not know.

A field `Open[CaseState]` reads a known member as `CaseState` and any other identifier as `UnknownMember`, so that mypy
asks each reader what it does with one. An unknown member is written again as it was read. Code cannot make one of a
plain text: what a service writes of its own is known.

The docstring of each enumeration says after `Open:` what a reader does with an unknown member, or after `Closed:` why
there can be none. It is the description in the exported schemas and the source of the table in docs/schemas.md.
"""

import inspect
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .values import NAMES_NOBODY

MEMBER = r"^[a-z0-9][a-z0-9-]{0,63}$"
"""The pattern of a member, known or not."""

MEMBER_LENGTH = 64

_Member = TypeVar("_Member", bound=StrEnum)
_Found = TypeVar("_Found")


class UnknownMember(str):
    """A member of an open list that this version does not know: a newer writer's."""

    __slots__ = ()


class _OpenList:
    """What makes a field of an enumeration open. Takes the enumeration from the annotated type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        enumeration: type[StrEnum] = get_args(source)[0]
        known: dict[str, StrEnum] = {member.value: member for member in enumeration}

        def read(text: str) -> StrEnum | UnknownMember:
            return known.get(text) or UnknownMember(text)

        def given(member: object) -> StrEnum | UnknownMember:
            if isinstance(member, UnknownMember):
                return member
            if isinstance(member, str) and member in known:
                return known[member]
            raise ValueError(f"is none of {', '.join(known)}")

        text = core_schema.str_schema(pattern=MEMBER, max_length=MEMBER_LENGTH)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(read, text),
            python_schema=core_schema.no_info_plain_validator_function(given),
            # With the name of the enumeration: it becomes one definition of the JSON Schema, as closed ones do.
            ref=f"{enumeration.__module__}.{enumeration.__qualname__}:open",
            metadata={"pydantic_js_functions": [lambda *_: _json_schema(enumeration)]},
        )


def _json_schema(enumeration: type[StrEnum]) -> dict[str, Any]:
    """Return the definition of an open list: a known member, so that generated types name them, or any other."""
    known = [member.value for member in enumeration]
    return {
        "anyOf": [{"enum": known, "type": "string"}, {"maxLength": MEMBER_LENGTH, "pattern": MEMBER, "type": "string"}],
        "description": inspect.getdoc(enumeration),
        "title": enumeration.__name__,
        "x-extensible-enum": known,
    }


Open = Annotated[_Member | UnknownMember, _OpenList(), NAMES_NOBODY]
"""A member of an open list: `Open[CaseState]` is `CaseState | UnknownMember`."""


def value_of(values: Mapping[_Member, _Found], member: _Member | UnknownMember, otherwise: _Found) -> _Found:
    """Return the value of a member; `otherwise` if it is unknown, or has none."""
    return otherwise if isinstance(member, UnknownMember) else values.get(member, otherwise)
