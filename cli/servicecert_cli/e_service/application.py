"""Applications as the e-service's form has them: read from files, and the examples of invented organisations."""

import json
import os
import tomllib
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from servicecert_schemas.application import Attachment, Form
from servicecert_schemas.values import CertificateType

from ..faults import UserError
from ..operations.files import can_be

MOST_CSR_BYTES = 65_536


class Application(Form):
    """A form with its attachments, in one file."""

    attachments: tuple[Attachment, ...] = ()

    @property
    def form(self) -> Form:
        """The form alone."""
        return Form.model_validate(self.model_dump(exclude={"attachments"}))


def read_application(path: Path) -> Application:
    """Reads an application from TOML (`.toml`) or JSON. Raises UserError with every field that is missing or malformed."""
    try:
        with can_be("read", path, "name an application file"):
            text = path.read_text(encoding="utf-8")
        content: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as fault:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise UserError(
            f"{path} is no {kind} ({fault}): see `servicecert submit --example server`.", os.EX_DATAERR
        ) from None
    try:
        return Application.model_validate(content)
    except ValidationError as fault:
        lacks = "; ".join(_lack(each) for each in fault.errors(include_url=False, include_input=False))
        raise UserError(f"{path} is no application: {lacks}.", os.EX_DATAERR) from None


def _lack(fault: Any) -> str:
    return f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg'].lower()}"


def example(type: CertificateType) -> Application:
    """The application of an invented organisation for a certificate of this type."""
    return Application.model_validate(tomllib.loads(example_text(type)))


def example_text(type: CertificateType) -> str:
    """The same as a file."""
    return (files(__package__) / "applications" / f"{type}.toml").read_text(encoding="utf-8")


def read_csr(path: Path) -> str:
    """A certificate request as a person sends it: PEM as it is, DER in base64. Raises UserError."""
    with can_be("read", path, "name the file of the request"):
        content = path.read_bytes()
    if len(content) > MOST_CSR_BYTES // 2:
        raise UserError(f"{path} has {len(content)} bytes, far too many for a certificate request.", os.EX_DATAERR)
    return content.decode("ascii") if content.isascii() else b64encode(content).decode()
