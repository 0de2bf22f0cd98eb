"""The form of an application: which fields a type and an applicant need, and what was typed, as the event has it.

Fields, choices and longest lengths come from the models of the events. Here stand only the order in which people are
asked, and what they are not asked. Whether the content is right is the authority's to judge: what a person typed is
sent as typed, and the answer comes back as deficiencies of these fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from servicecert_schemas import ApplyingAs, CertificateType, Deficiency, Form, Language

Typed = Mapping[str, Sequence[str]]
"""What stands in the form: the texts of each field, by its path."""

GROUPS = MappingProxyType(
    {
        "subject": (
            *("unit_long_name", "names.dns", "names.ip", "usages"),
            *("information_system.name", "information_system.system_id"),
        ),
        "people": (
            *("orderer.name", "orderer.email", "technical_contact.name", "technical_contact.email"),
            *("technical_contact.phone", "technical_contact.organisation", "shared_mailbox"),
        ),
        "more": ("start_date", "validity_days", "follows", "customer_reference"),
        "signature": ("signatory.name", "signatory.title"),
    }
)
NOT_ASKED = frozenset(
    {
        # Chosen before, or known: the page's language, the account's organisation, the moment of sending.
        *("type", "applying_as", "language", "applicant.business_id", "signatory.signed_at"),
        # It follows from the business id.
        "applicant.organisation_oid",
    }
)
_OF_SERVERS = ("names.", "usages")
_OF_SYSTEMS = ("information_system.", "signatory.")
_MARK = MappingProxyType({Language.SWEDISH: "Kanta-förmedlare", Language.FINNISH: "Kanta-välittäjä"})


@dataclass(frozen=True)
class Kind:
    """What is applied for, in which capacity, and by whom: a public or a private organisation."""

    type: CertificateType
    applying_as: ApplyingAs
    is_public: bool

    @property
    def needs_conformity(self) -> bool:
        """Whether the information system's conformity certificate is asked for (A7)."""
        return self.type is CertificateType.SYSTEM_SIGNATURE and not self.is_public


@dataclass(frozen=True)
class Field:
    """A field: its path as in the event, how it is asked, whether it must be filled in, and what it may hold."""

    path: str
    widget: str
    needed: bool = False
    choices: tuple[str, ...] = ()
    most: int | None = None


REQUEST = (Field("csr", "file"), Field("csr_text", "area"))
"""The request: as a file, or pasted."""


@dataclass(frozen=True)
class Fault:
    """Why a field cannot be sent: `missing`, `too-long`, `too-many` or `malformed`."""

    path: str
    code: str


def capacities(type: CertificateType) -> tuple[ApplyingAs, ...]:
    """Return who may apply for a type: a supplier may not for system signatures (A8)."""
    return tuple(each for each in ApplyingAs if type.is_server or each is not ApplyingAs.IT_SUPPLIER)


def _leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield each field of a model, and those of the models in it, by its path."""
    for name, info in model.model_fields.items():
        inner = next((kind for kind in _parts(info.annotation) if isinstance(kind, type)), None)
        if inner is not None and issubclass(inner, BaseModel):
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def _parts(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an optional or listed one is made of."""
    if get_origin(annotation) in (UnionType, tuple) or isinstance(annotation, UnionType):
        return tuple(each for part in get_args(annotation) for each in _parts(part))
    return _parts(get_args(annotation)[0]) if get_args(annotation) else (annotation,)


def _field(path: str, info: FieldInfo) -> Field:
    kind = _parts(info.annotation)[0]
    is_list = get_origin(info.annotation) is tuple
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        # A server certificate without a usage is good for nothing.
        return Field(path, "choices", needed=True, choices=tuple(kind))
    needed = info.is_required() or path == "names.dns"
    if kind is date or kind is int:
        return Field(path, kind.__name__, needed)
    if is_list:
        return Field(path, "lines", needed)
    marks = (*info.metadata, *(mark for part in get_args(info.annotation) for mark in get_args(part)))
    most = next((mark.max_length for mark in marks if isinstance(mark, StringConstraints)), None)
    widget = "email" if path.endswith(("email", "mailbox")) else "unit" if path == "unit_long_name" else "text"
    return Field(path, widget, needed, most=most)


FIELDS = MappingProxyType({path: _field(path, info) for path, info in _leaves(Form)})
"""All fields of the model."""


def fields_of(kind: Kind) -> dict[str, list[Field]]:
    """Return the fields to ask, by group: only what the type and the applicant need."""
    left_out = _OF_SYSTEMS if kind.type.is_server else _OF_SERVERS
    groups = {
        group: [FIELDS[path] for path in paths if not path.startswith(left_out)] for group, paths in GROUPS.items()
    }
    if kind.needs_conformity:
        groups["attachment"] = [
            Field("attachments", "file", needed=True),
            Field("certificate_number", "text", needed=True, most=200),
            *(Field(path, "date", needed=True) for path in ("valid_from", "valid_to")),
        ]
    groups["request"] = list(REQUEST)
    return {group: fields for group, fields in groups.items() if fields}


def first_values(kind: Kind, language: Language, user_name: str) -> dict[str, list[str]]:
    """Return what stands in an empty form. A Kanta intermediary's mark is for it alone, and never to be typed (A9)."""
    values = {"orderer.name": [user_name], "usages": ["server-auth"]}
    if kind.applying_as is ApplyingAs.KANTA_INTERMEDIARY:
        values["technical_contact.organisation"] = [_MARK.get(language, _MARK[Language.SWEDISH])]
    return values


def typed_of(form: Form) -> dict[str, list[str]]:
    """Return what stands in the form of an application that was sent."""
    values: dict[str, list[str]] = {}

    def walk(found: Any, path: str) -> None:
        if isinstance(found, dict):
            for name, value in found.items():
                walk(value, f"{path}.{name}" if path else name)
        elif found is not None:
            values[path] = [str(each) for each in found] if isinstance(found, (list, tuple)) else [str(found)]

    walk(form.model_dump(mode="json"), "")
    return values


def form_of(
    kind: Kind, typed: Typed, *, business_id: str, language: Language, now: datetime
) -> tuple[Form | None, list[Fault]]:
    """Return the form as typed; or no form, and each field that is missing or cannot be sent."""
    fields = [field for group, fields in fields_of(kind).items() if group in GROUPS for field in fields]
    values: dict[str, Any] = {
        "type": kind.type,
        "applying_as": kind.applying_as,
        "language": language,
        "applicant": {"business_id": business_id},
    }
    faults = []
    for field in fields:
        found = _value(field, typed.get(field.path, ()))
        if found:
            *parents, name = field.path.split(".")
            place = values
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = found
        elif field.needed:
            faults.append(Fault(field.path, "missing"))
    if "signatory" in values:
        values["signatory"]["signed_at"] = now
    try:
        form = Form.model_validate(values)
    except ValidationError as error:
        return None, [*faults, *_faults(error, fields)]
    return (None if faults else form), faults


def _value(field: Field, texts: Sequence[str]) -> Any:
    """Return a field's value as the model reads it."""
    if field.widget == "choices":
        return [text for text in texts if text]
    text = "\n".join(texts).strip()
    return text.replace(",", " ").replace(";", " ").split() if field.widget == "lines" else text


def _faults(error: ValidationError, fields: Sequence[Field]) -> Iterator[Fault]:
    """Yield the fields that the model refuses, each once; not those without a value, which are known."""
    seen = set()
    codes = {"string_too_long": "too-long", "too_long": "too-many"}
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in fault["loc"])
        path = next((field.path for field in fields if f"{place}.".startswith(f"{field.path}.")), place)
        if path not in seen and fault["type"] != "missing":
            seen.add(path)
            yield Fault(path, codes.get(fault["type"], "malformed"))


def place_of(deficiency: Deficiency, fields: Sequence[Field]) -> str | None:
    """Return the path of the field to show a deficiency beside; None if it is of no field that is asked.

    One of a part of the form, such as the signatory, or of what is not asked in it, stands at the part's first field.
    """
    wanted, paths = deficiency.field, [field.path for field in fields]
    parts = (f"{wanted}.", f"{wanted.rpartition('.')[0] or wanted}.")
    found = [path for path in paths if path == wanted] or [path for path in paths if path.startswith(parts)]
    return found[0] if found else None
