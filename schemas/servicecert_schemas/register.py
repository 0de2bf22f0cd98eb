"""Entries of the national registers (topic `registers`), with dates, so that a check can be repeated for a past day."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from .event import EventData
from .values import BusinessId, Identifier, Oid, PublicText, Value, at_most


class Sector(StrEnum):
    """The sector field of the code service (A7).

    Closed: it decides whether a conformity certificate is needed (A7).
    """

    PUBLIC = "public"
    PRIVATE = "private"


class OrganisationKind(StrEnum):
    """The kinds of organisations in the code service.

    Closed: `other` stands for every further kind.
    """

    CARE_PROVIDER = "care-provider"
    PHARMACY = "pharmacy"
    OTHER = "other"


class LongNames(Value):
    """The long name in both languages, and its abbreviation for subjects that it does not fit in."""

    fi: PublicText
    sv: PublicText | None = None
    abbreviation: PublicText | None = None


def _require_kind(schema: dict[str, Any]) -> None:
    schema["required"] = ["kind", *schema["required"]]


def _drop_discriminator(schema: dict[str, Any]) -> None:
    # A keyword of OpenAPI, not of JSON Schema, and different in AsyncAPI. The constant of each kind is enough.
    del schema["discriminator"]


class Entry(Value):
    """A register entry. The data must contain `kind`, which selects the model; constructors set it."""

    model_config = ConfigDict(json_schema_extra=_require_kind)


class Organisation(Entry):
    """An organisation or unit of the code service of Kela and THL (A6).

    `registered_name`, of the organisation with this business id, becomes the subject's O; `names` the OU. Where the
    entry states no sector, `sector_stated` is false and `sector` is private, the stricter, for older readers.
    """

    kind: Literal["organisation"] = "organisation"
    oid: Oid
    business_id: BusinessId
    registered_name: PublicText
    names: LongNames
    sector: Sector
    organisation_kind: OrganisationKind
    valid_from: date
    valid_to: date | None = None
    sector_stated: bool = True


class Intermediary(Entry):
    """A Kanta intermediary of THL's register (A9)."""

    kind: Literal["intermediary"] = "intermediary"
    business_id: BusinessId
    name: PublicText
    valid_from: date
    valid_to: date | None = None


class ConformityCertificate(Value):
    """A conformity certificate of an information system, as registered (A7)."""

    number: PublicText
    valid_from: date
    valid_to: date
    withdrawn: date | None = None


class RegisteredSystem(Entry):
    """An information system of the register, with its conformity certificates."""

    kind: Literal["information-system"] = "information-system"
    system_id: PublicText
    name: PublicText
    system_class: PublicText
    certificates: Annotated[tuple[ConformityCertificate, ...], at_most(100)] = ()


class RegisterEntry(EventData):
    """The current version of one entry. A deleted entry is a record without value (a tombstone)."""

    TYPE: ClassVar[str] = "servicecert.register.entry.v1"

    entry_id: Identifier
    entry: Annotated[
        Organisation | Intermediary | RegisteredSystem,
        Field(discriminator="kind", json_schema_extra=_drop_discriminator),
    ]

    def key(self) -> str:
        return self.entry_id
