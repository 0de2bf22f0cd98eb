"""Entries of the national registers (topic `registers`): dated, so that the judgement of any past day can be repeated."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from .event import EventData
from .values import BusinessId, Identifier, Oid, Text, Value


class Sector(StrEnum):
    """What the code service's sector field says (A7)."""

    PUBLIC = "public"
    PRIVATE = "private"


class OrganisationKind(StrEnum):
    """What an organisation of the code service is."""

    CARE_PROVIDER = "care-provider"
    PHARMACY = "pharmacy"
    OTHER = "other"


class LongNames(Value):
    """The long name in either language, and its abbreviation for subjects where it does not fit."""

    fi: Text
    sv: Text | None = None
    abbreviation: Text | None = None


def _require_kind(schema: dict[str, Any]) -> None:
    schema["required"] = ["kind", *schema["required"]]


def _leave_discriminator(schema: dict[str, Any]) -> None:
    # A keyword of OpenAPI, not of JSON Schema, and of another shape in AsyncAPI; each kind's constant says the same.
    del schema["discriminator"]


class Entry(Value):
    """What is registered. `kind`, which a constructor knows by itself, must stand in the data: it tells which entry it is."""

    model_config = ConfigDict(json_schema_extra=_require_kind)


class Organisation(Entry):
    """An organisation or unit of the code service of Kela and THL (A6).

    `registered_name` is the name of the organisation whose business id it is: the subject's O; `names` are the long names: the OU.
    """

    kind: Literal["organisation"] = "organisation"
    oid: Oid
    business_id: BusinessId
    registered_name: Text
    names: LongNames
    sector: Sector
    organisation_kind: OrganisationKind
    valid_from: date
    valid_to: date | None = None


class Intermediary(Entry):
    """A Kanta intermediary of THL's register (A9)."""

    kind: Literal["intermediary"] = "intermediary"
    business_id: BusinessId
    name: Text
    valid_from: date
    valid_to: date | None = None


class ConformityCertificate(Value):
    """A conformity certificate of an information system, as registered (A7)."""

    number: Text
    valid_from: date
    valid_to: date
    withdrawn: date | None = None


class RegisteredSystem(Entry):
    """An information system of the register, with its conformity certificates."""

    kind: Literal["information-system"] = "information-system"
    system_id: Text
    name: Text
    system_class: Text
    certificates: Annotated[tuple[ConformityCertificate, ...], Field(max_length=100)] = ()


class RegisterEntry(EventData):
    """One entry as it now stands. An entry that is gone is a record without value (a tombstone)."""

    TYPE: ClassVar[str] = "servicecert.register.entry.v1"

    entry_id: Identifier
    entry: Annotated[
        Organisation | Intermediary | RegisteredSystem,
        Field(discriminator="kind", json_schema_extra=_leave_discriminator),
    ]

    def key(self) -> str:
        return self.entry_id
