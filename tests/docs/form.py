"""Which field of the form is for which type and applicant: asked of intake, which judges a form with and without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from typing import Any
from uuid import UUID

from docs.pages import table
from pydantic import BaseModel, ValidationError
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_intake.domain.decide import decide
from servicecert_intake.domain.knowledge import NOTHING_KNOWN
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, apply
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.application import (
    Applicant,
    ApplicationSubmitted,
    ApplyingAs,
    Attachment,
    Form,
    InformationSystem,
    Names,
    Orderer,
    Signatory,
    TechnicalContact,
)
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.meanings import meanings
from servicecert_schemas.membership import NO_ACCOUNTS, accounts_after
from servicecert_schemas.register import Sector
from servicecert_schemas.values import CertificateType
from services.intake.conftest import CASE_ID, COLLEAGUE, CONFORMITY, GOOD_CSR, NOW, SIGNATURE_FORM, opened
from services.intake.conftest import event as happened

KNOWN = replace(
    NOTHING_KNOWN, registers=apply(NO_REGISTERS, [(each.key(), each) for each in read_register(FICTITIOUS_REGISTERS)])
)
PROFILES = load_profiles()
MARK = "Kanta-välittäjä"


@dataclass(frozen=True)
class Who:
    """An applicant of the fictitious registers."""

    applying_as: ApplyingAs
    sector: Sector
    business_id: str
    unit: str

    def __str__(self) -> str:
        return f"{self.sector} {self.applying_as}"


APPLICANTS = (
    Who(ApplyingAs.CARE_PROVIDER, Sector.PUBLIC, "9900001-8", "Saduniemen terveysasema"),
    Who(ApplyingAs.CARE_PROVIDER, Sector.PRIVATE, "9900025-3", "Lääkärikeskus Satulinna Oy"),
    Who(ApplyingAs.PHARMACY, Sector.PRIVATE, "9900058-7", "Onnelan VI apteekki"),
    Who(ApplyingAs.IT_SUPPLIER, Sector.PRIVATE, "9900074-7", "Kuviteltu Tietotekniikka Oy"),
    Who(ApplyingAs.KANTA_INTERMEDIARY, Sector.PRIVATE, "9900066-7", "Unelmasilta Välityspalvelut Oy"),
)

MODELS: Mapping[str, type[BaseModel]] = {
    "applicant": Applicant,
    "signatory": Signatory,
    "information_system": InformationSystem,
    "names": Names,
    "orderer": Orderer,
    "technical_contact": TechnicalContact,
    "attachments": Attachment,
}

LEFT_OUT = object()
SYSTEM = SIGNATURE_FORM["information_system"]
FIELDS: Mapping[str, tuple[Any, Any, Any]] = {
    "type": (None, LEFT_OUT, "seal"),
    "language": ("sv", LEFT_OUT, "de"),
    "applying_as": (None, LEFT_OUT, "hospital"),
    "applicant.business_id": (None, "", "9900058-8"),
    "applicant.organisation_oid": (None, None, "1.2"),
    "unit_long_name": (None, "", "Nowhere"),
    "signatory": (SIGNATURE_FORM["signatory"], None, {**SIGNATURE_FORM["signatory"], "name": "-", "title": "-"}),
    "information_system": (SYSTEM, None, {"name": "x" * 65, "system_id": "none"}),
    "names.dns": (["kanta.onnela.example.fi"], [], ["*.example.fi"]),
    "names.ip": (["193.166.3.2"], [], ["1.2.3"]),
    "usages": (["server-auth"], [], ["server-auth"]),
    "orderer.name": ("Urho Kuviteltu", "", "-"),
    "orderer.email": ("urho@onnela.example.fi", "", "urho"),
    "technical_contact.name": ("Aada Asentaja", "", "-"),
    "technical_contact.email": ("aada@onnela.example.fi", "", "aada"),
    "technical_contact.phone": ("+358 9 123", None, "-"),
    "technical_contact.organisation": (None, "", MARK),
    "shared_mailbox": ("it@onnela.example.fi", None, "it"),
    "start_date": ("2026-12-01", None, "2020-01-01"),
    "validity_days": (300, None, 9_000),
    "follows": (None, None, "4a00"),
    "customer_reference": ("2026/118", None, "-"),
    "attachments": ([CONFORMITY], [], [{**CONFORMITY, "system_id": "FIKTIO-1001"}]),
    "csr": ("as sent", None, "as sent"),
}
"""Each field: how it is filled in rightly (None: as the type and the applicant need it), not at all, and wrongly."""

UNJUDGED = (
    *("orderer.name", "technical_contact.name", "technical_contact.phone", "technical_contact.organisation"),
    "customer_reference",
)
"""What is of use although no rule looks at it, or only at a mark in it."""


def specimen(type: CertificateType, who: Who) -> dict[str, Any]:
    """Return an application that is accepted: with each field that is not forbidden to its type."""
    filled: dict[str, Any] = {field: right for field, (right, _, _) in FIELDS.items()}
    filled |= {
        "type": type,
        "applying_as": who.applying_as,
        "applicant.business_id": who.business_id,
        "unit_long_name": who.unit,
        "technical_contact.organisation": MARK if who.applying_as is ApplyingAs.KANTA_INTERMEDIARY else who.unit,
    }
    if not type.is_server:
        filled |= {"names.dns": [], "names.ip": [], "usages": []}
    return filled


def outcome(who: Who, filled: Mapping[str, Any], about: str = "") -> str | None:
    """Return the code of what such an application of an applicant's own account lacks, first of a field; or None."""
    form: dict[str, Any] = {name: {} for name in MODELS if any(field.startswith(f"{name}.") for field in FIELDS)}
    for field, value in filled.items():
        *outer, name = field.split(".")
        if value is not LEFT_OUT and not (outer and value is None):
            (form[outer[0]] if outer else form)[name] = deepcopy(value)
    attachments, csr = form.pop("attachments"), form.pop("csr")
    try:
        data = ApplicationSubmitted.model_validate(
            {"case_id": CASE_ID, "actor": COLLEAGUE, "form": form, "attachments": attachments, "csr": csr}
        )
    except ValidationError:
        return "wrong-schema"
    event = happened(data, csr=None if csr is None else GOOD_CSR, id=UUID(int=1))
    known = replace(KNOWN, accounts=accounts_after(NO_ACCOUNTS, [opened("account-1", who.business_id)]))
    (view,) = (each for each in decide(PROFILES, None, event, known, NOW).events if isinstance(each, CaseChanged))
    if view.deficiencies:
        return min(view.deficiencies, key=lambda each: each.field not in about).code
    return None if view.state is CaseState.ACCEPTED else str(view.state)


def cells(type: CertificateType, who: Who) -> dict[str, str]:
    """Return what each field is to a type and an applicant."""
    good = specimen(type, who)
    refused = outcome(who, good)
    found = {}
    for field, (right, absent, wrong) in FIELDS.items():
        without = outcome(who, {**good, field: absent}, field)
        filled = outcome(who, {**good, field: right}, field) if right is not None else None
        if refused:
            found[field] = f"refused: `{refused}`" if field == "applying_as" else ""
        elif without:
            found[field] = f"required: `{without}`"
        elif filled:
            found[field] = f"forbidden: `{filled}`"
        else:
            is_of_use = field in UNJUDGED or outcome(who, {**good, field: wrong}, field)
            found[field] = ("may be empty" if _is_key_required(field) else "optional") if is_of_use else "ignored"
    return found


def form_fields() -> list[str]:
    """Return each field of the form, what it means, and what it is to those who apply, who are told in the head."""
    columns: dict[tuple[str, ...], list[tuple[CertificateType, Who]]] = defaultdict(list)
    for each in product(CertificateType, APPLICANTS):
        columns[tuple(cells(*each).values())].append(each)
    return table(
        ("field", *map(_head, columns.values()), "meaning"),
        ((f"`{field}`", *(column[place] for column in columns), _meaning(field)) for place, field in enumerate(FIELDS)),
    )


def _head(who: list[tuple[CertificateType, Who]]) -> str:
    by_applicants: dict[tuple[Who, ...], list[CertificateType]] = defaultdict(list)
    for type in CertificateType:
        if applicants := tuple(each for of, each in who if of is type):
            by_applicants[applicants].append(type)
    return "; ".join(
        f"{', '.join(f'`{type}`' for type in types)}: {_people(applicants)}"
        for applicants, types in by_applicants.items()
    )


def _people(applicants: tuple[Who, ...]) -> str:
    return "everybody" if applicants == APPLICANTS else ", ".join(map(str, applicants))


def _owner(field: str) -> tuple[type[BaseModel], str]:
    *outer, name = field.split(".")
    return MODELS[outer[0]] if outer else ApplicationSubmitted if name in ("attachments", "csr") else Form, name


def _is_key_required(field: str) -> bool:
    of, name = _owner(field)
    return of.model_fields[name].is_required()


def _meaning(field: str) -> str:
    of, name = _owner(field)
    text = meanings(of).get(name) or " ".join(str(of.model_fields[name].annotation.__doc__).partition("\n")[0].split())
    keys = MODELS[field].model_fields.items() if field in MODELS else ()
    required = ", ".join(f"`{key}`" for key, each in keys if each.is_required())
    return f"{text} Required keys: {required}." if required else text
