"""Applications and certificate requests of customers: read from files, and examples of fictitious organisations."""

import json
import os
import re
import tomllib
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from servicecert_pki.private_keys import holds_private_key
from servicecert_schemas.application import Application
from servicecert_schemas.customer import Customer
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.values import CertificateType

from ..faults import UserError, listed
from .files import content_of

_MOST_FORM_BYTES, _MOST_CSR_BYTES = 262_144, 32_768


def read_application(path: Path) -> Application:
    """Read an application from TOML (`.toml`) or JSON. Raises UserError with each missing or malformed field."""
    try:
        text = content_of(path, "name an application file", _MOST_FORM_BYTES).decode()
        content: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        unknown = sorted(content.keys() - Application.model_fields.keys()) if isinstance(content, dict) else ()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8: save it so.", os.EX_DATAERR) from None
    except ValueError as fault:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        is_toml = isinstance(fault, json.JSONDecodeError) and re.search(r"(?m)^\w+ *=", fault.doc)
        way_out = "it looks like TOML: name it .toml" if is_toml else "see `servicecert submit --example server`"
        place = re.search(r"line (\d+),? column (\d+)", str(fault))
        where = f" at line {place[1]}, column {place[2]}" if place else ""
        raise UserError(f"{path} is not {kind}{where}: {way_out}.", os.EX_DATAERR) from None
    if unknown:
        raise UserError(f"{path}: no form has {listed(unknown)}: correct its name, or remove it.", os.EX_DATAERR)
    try:
        return Application.model_validate(content)
    except ValidationError as fault:
        raise malformed(f"{path} is not an application", fault) from None


def malformed(what: str, fault: ValidationError) -> UserError:
    """Return the error of content that is no value of the contract, with each field that is missing or malformed."""
    found: list[Any] = fault.errors(include_url=False, include_input=False)
    errors = (f"{'.'.join(map(str, it['loc'])) or 'the file'}: {it['msg'][0].lower()}{it['msg'][1:]}" for it in found)
    return UserError(f"{what}: {'; '.join(errors)}.", os.EX_DATAERR)


def example(type: CertificateType) -> Application:
    return Application.model_validate(tomllib.loads(example_text(type)))


def example_text(type: CertificateType) -> str:
    return (files(__package__) / "examples" / f"{type}.toml").read_text(encoding="utf-8")


def colleague(account_id: str, user_id: str = "user-1", assurance: Assurance = Assurance.SUBSTANTIAL) -> Customer:
    """Return a user who may do all for an account. Raises UserError for ids that are malformed."""
    try:
        return Customer(account_id=account_id, user_id=user_id, assurance=assurance, role=Role.COLLEAGUE)
    except ValidationError as fault:
        raise malformed("The e-service has no such user", fault) from None


def customer_of(application: Application) -> Customer:
    """Return who applies in the examples: a user of the account that is named after the business id."""
    business_id = application.applicant.business_id
    return colleague("account-" + "".join(letter for letter in business_id if letter.isalnum() or letter == "-"))


def read_csr(path: Path) -> str:
    """Read a certificate request: PEM unchanged, DER in base64. Raises UserError."""
    content = content_of(path, "name the file of the request", _MOST_CSR_BYTES)
    if holds_private_key(content):
        raise UserError(
            f"{path} holds a private key: send it to nobody, make a new key pair and name its request.", os.EX_DATAERR
        )
    return content.decode("ascii") if content.isascii() else b64encode(content).decode()
