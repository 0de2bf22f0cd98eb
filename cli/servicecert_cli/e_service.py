"""What the e-service does: applications read from files as its form has them, and the events that it publishes."""

from __future__ import annotations

import json
import tomllib
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.application import (
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    Attachment,
    CsrAttached,
    Form,
)
from servicecert_schemas.event import Actor, Assurance, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.values import CertificateType

from .faults import Told

EX_DATAERR, EX_NOINPUT = 65, 66
MOST_CSR_BYTES = 65_536


class Application(Form):
    """A form with its attachments, in one file."""

    attachments: tuple[Attachment, ...] = ()

    @property
    def form(self) -> Form:
        """The form alone."""
        return Form.model_validate(self.model_dump(exclude={"attachments"}))


def read_application(path: Path) -> Application:
    """Reads an application from TOML (`.toml`) or JSON. Raises Told with every field that is missing or malformed."""
    try:
        text = path.read_text(encoding="utf-8")
        content: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as fault:
        raise Told(f"{path} cannot be read ({fault.strerror}): name an application file.", EX_NOINPUT) from None
    except ValueError as fault:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise Told(f"{path} is no {kind} ({fault}): see `servicecert submit --example server`.", EX_DATAERR) from None
    try:
        return Application.model_validate(content)
    except ValidationError as fault:
        lacks = "; ".join(_lack(each) for each in fault.errors(include_url=False, include_input=False))
        raise Told(f"{path} is no application: {lacks}.", EX_DATAERR) from None


def _lack(fault: Any) -> str:
    return f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg'].lower()}"


def example(type: CertificateType) -> Application:
    """The application of an invented organisation for a certificate of this type."""
    return Application.model_validate(tomllib.loads(example_text(type)))


def example_text(type: CertificateType) -> str:
    """The same as a file."""
    return (files(__package__) / "applications" / f"{type}.toml").read_text(encoding="utf-8")


def read_csr(path: Path) -> str:
    """A certificate request as a person sends it: PEM as it is, DER in base64. Raises Told."""

    try:
        content = path.read_bytes()
    except OSError as fault:
        raise Told(f"{path} cannot be read ({fault.strerror}): name the file of the request.", EX_NOINPUT) from None
    if len(content) > MOST_CSR_BYTES // 2:
        raise Told(f"{path} has {len(content)} bytes, far too many for a certificate request.", EX_DATAERR)
    return content.decode("ascii") if content.isascii() else b64encode(content).decode()


@dataclass(frozen=True, slots=True)
class Customer:
    """A user of the e-service who acts for an account."""

    account_id: str
    user_id: str = "user-1"
    role: Role = Role.COLLEAGUE
    assurance: Assurance = Assurance.SUBSTANTIAL

    @property
    def actor(self) -> Actor:
        return Actor(user_id=self.user_id, account_id=self.account_id, assurance=self.assurance, role=self.role)

    @staticmethod
    def of(business_id: str) -> Customer:
        """The customer whose account is named by a business id, as the examples' accounts are."""
        return Customer("account-" + "".join(letter for letter in business_id if letter.isalnum() or letter == "-"))

    def opened(self, business_id: str, name: str) -> AccountOpened:
        """The account is opened for an organisation; this user is its first member."""
        return AccountOpened(
            account_id=self.account_id, actor=self.actor, business_id=business_id, organisation_name=name
        )

    def invited(self, user_id: str, role: Role = Role.COLLEAGUE, case_id: UUID | None = None) -> AccountMemberAdded:
        """This user invites another: into the account, or as the technical contact of one case."""
        return AccountMemberAdded(
            account_id=self.account_id,
            actor=self.actor,
            user_id=user_id,
            role=role,
            invited_by=self.user_id,
            case_id=case_id,
        )

    def removed(self, user_id: str, role: Role = Role.COLLEAGUE, case_id: UUID | None = None) -> AccountMemberRemoved:
        """This user removes another."""
        return AccountMemberRemoved(
            account_id=self.account_id, actor=self.actor, user_id=user_id, role=role, case_id=case_id
        )

    def submitted(self, case_id: UUID, application: Application, csr: str | None) -> ApplicationSubmitted:
        return ApplicationSubmitted(
            case_id=case_id, actor=self.actor, form=application.form, attachments=application.attachments, csr=csr
        )

    def supplemented(self, case_id: UUID, application: Application, csr: str | None) -> ApplicationSupplemented:
        return ApplicationSupplemented(
            case_id=case_id, actor=self.actor, form=application.form, attachments=application.attachments, csr=csr
        )

    def attached(self, case_id: UUID, csr: str) -> CsrAttached:
        return CsrAttached(case_id=case_id, actor=self.actor, csr=csr)

    def withdrawn(self, case_id: UUID) -> ApplicationWithdrawn:
        return ApplicationWithdrawn(case_id=case_id, actor=self.actor)

    def revocation(
        self,
        case_id: UUID,
        serial: str,
        reason: RevocationReason,
        explanation: str | None = None,
        exposed_since: datetime | None = None,
    ) -> RevocationRequested:
        return RevocationRequested(
            case_id=case_id,
            actor=self.actor,
            request_id=uuid4(),
            serial_as_typed=serial,
            reason=reason,
            explanation=explanation,
            exposed_since=exposed_since,
            sent_at=datetime.now(UTC),
        )
