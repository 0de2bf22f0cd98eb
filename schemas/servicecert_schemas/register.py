"""Entries of the national registers (topic `registers`), with dates, so that a check can be repeated for a past day."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from .event import EventData
from .values import BusinessId, FirstDay, Identifier, LastDay, Oid, PublicText, Value, at_most


class Sector(StrEnum):
    """The sector field of the code service (A7).

    Closed: it decides whether a conformity certificate is needed (A7).
    """

    PUBLIC = "public"
    PRIVATE = "private"


class OrganisationKind(StrEnum):
    """The kind of an organisation in the code service.

    Closed: `other` stands for every further kind.
    """

    CARE_PROVIDER = "care-provider"
    PHARMACY = "pharmacy"
    OTHER = "other"


class LongNames(Value):
    """The long name in both languages, and its abbreviation for subjects that it does not fit in."""

    fi: PublicText
    """The long name in Finnish."""
    sv: PublicText | None = None
    """The long name in Swedish."""
    abbreviation: PublicText | None = None
    """For subjects that the long name does not fit in."""


def _require_kind(schema: dict[str, Any]) -> None:
    schema["required"] = ["kind", *schema["required"]]


def _drop_discriminator(schema: dict[str, Any]) -> None:
    # A keyword of OpenAPI, not of JSON Schema, and different in AsyncAPI. The constant of each kind is enough.
    del schema["discriminator"]


class Entry(Value):
    """A register entry. The data must contain `kind`, which selects the model; constructors set it."""

    model_config = ConfigDict(json_schema_extra=_require_kind)


class Organisation(Entry):
    """An organisation or unit of the code service of Kela and THL (A6)."""

    kind: Literal["organisation"] = "organisation"
    """Selects this kind of entry."""
    oid: Oid
    """The OID of the organisation or unit."""
    business_id: BusinessId
    """The business id of the organisation, also of a unit's."""
    registered_name: PublicText
    """The registered name of the organisation: the O of certificates."""
    names: LongNames
    """The OU of certificates (A6)."""
    sector: Sector
    """Private, the stricter, where the entry states none: older readers need one."""
    organisation_kind: OrganisationKind
    valid_from: FirstDay
    valid_to: LastDay | None = None
    sector_stated: bool = True
    """False where the entry states no sector."""


class Intermediary(Entry):
    """A Kanta intermediary of THL's register (A9)."""

    kind: Literal["intermediary"] = "intermediary"
    """Selects this kind of entry."""
    business_id: BusinessId
    """The business id of the intermediary."""
    name: PublicText
    """The name in THL's register."""
    valid_from: FirstDay
    valid_to: LastDay | None = None


class ConformityCertificate(Value):
    """A conformity certificate of an information system, as registered (A7)."""

    number: PublicText
    """The number of the certificate."""
    valid_from: FirstDay
    valid_to: LastDay
    withdrawn: date | None = None
    """The day from which it no longer counts; null if it was not withdrawn."""


class RegisteredSystem(Entry):
    """An information system of the register, with its conformity certificates."""

    kind: Literal["information-system"] = "information-system"
    """Selects this kind of entry."""
    system_id: PublicText
    """The id of the information system."""
    name: PublicText
    """The name of the information system."""
    system_class: PublicText
    """The class in THL's register, such as A2."""
    certificates: Annotated[tuple[ConformityCertificate, ...], at_most(100)] = ()
    """All conformity certificates of the system, past ones too."""


class RegisterEntry(EventData):
    """Published when an entry of a register is new or changed. A deleted one is a record without value (tombstone)."""

    TYPE: ClassVar[str] = "servicecert.register.entry.v1"

    entry_id: Identifier
    """The id of the entry in its register: the record's key."""
    entry: Annotated[
        Organisation | Intermediary | RegisteredSystem,
        Field(discriminator="kind", json_schema_extra=_drop_discriminator),
    ]
    """The whole entry, which replaces an earlier one."""

    def key(self) -> str:
        return self.entry_id
