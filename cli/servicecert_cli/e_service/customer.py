"""A user of the e-service, and the events of that user's actions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID, uuid4

from servicecert_schemas.account import AccountMemberAdded, AccountOpened
from servicecert_schemas.application import (
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    CsrAttached,
)
from servicecert_schemas.event import Actor, Assurance, Role
from servicecert_schemas.revocation import Notify, RevocationReason, RevocationRequested

from .application import Application


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

    @classmethod
    def of(cls, business_id: str) -> Self:
        """Return the customer whose account is named after a business id, as in the examples."""
        return cls("account-" + "".join(letter for letter in business_id if letter.isalnum() or letter == "-"))

    def opened(self, business_id: str, name: str) -> AccountOpened:
        """Return the event that opens the account for an organisation, with this user as its first member."""
        return AccountOpened(
            account_id=self.account_id, actor=self.actor, business_id=business_id, organisation_name=name
        )

    def invited(self, user_id: str, role: Role = Role.COLLEAGUE, case_id: UUID | None = None) -> AccountMemberAdded:
        """Return the event of inviting a user into the account, or as the technical contact of one case."""
        return AccountMemberAdded(
            account_id=self.account_id,
            actor=self.actor,
            user_id=user_id,
            role=role,
            invited_by=self.user_id,
            case_id=case_id,
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
        notify: Notify | None = None,
    ) -> RevocationRequested:
        return RevocationRequested(
            case_id=case_id,
            actor=self.actor,
            request_id=uuid4(),
            serial_as_typed=serial,
            reason=reason,
            explanation=explanation,
            exposed_since=exposed_since,
            notify=notify,
            sent_at=datetime.now(UTC),
        )
