"""The client of the contract: a user of the e-service, the events of what they do, and the records of these."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from .account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from .application import Application, ApplicationSubmitted, ApplicationSupplemented, ApplicationWithdrawn, CsrAttached
from .codec import Record, to_record
from .event import Actor, EventData, Role
from .revocation import Notify, RevocationReason, RevocationRequested

E_SERVICE = "/e-service"
"""The `ce_source` of the e-service."""


class Customer(Actor):
    """A user who acts for an account of the e-service."""

    @property
    def actor(self) -> Actor:
        return Actor(**dict(self))

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

    def removed(self, user_id: str, role: Role, case_id: UUID | None = None) -> AccountMemberRemoved:
        """Return the event of removing a user from the account, or from one case."""
        return AccountMemberRemoved(
            account_id=self.account_id, actor=self.actor, user_id=user_id, role=role, case_id=case_id
        )

    def submitted(self, case_id: UUID, application: Application, csr: str | None) -> ApplicationSubmitted:
        """Return the event of a new application. A request that comes later is None."""
        return ApplicationSubmitted(
            case_id=case_id, actor=self.actor, form=application.form, attachments=application.attachments, csr=csr
        )

    def supplemented(self, case_id: UUID, application: Application, csr: str | None) -> ApplicationSupplemented:
        """Return the event of sending a whole application again. Without a request the earlier one stays."""
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
        """Return the event of asking, at this moment, for a revocation. The serial number is as typed."""
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


def record_of(
    data: EventData, *, id: UUID | None = None, time: datetime | None = None, source: str = E_SERVICE
) -> Record:
    """Return the record of an event that happens at this moment, with a new id. Raise `TooLarge`.

    The id of a request for revocation is its event's too, so that an answer names it whoever gives it. Store the record
    before you send it, and send it again as it is: it then has one effect.
    """
    if id is None:
        id = data.request_id if isinstance(data, RevocationRequested) else uuid4()
    return to_record(data, source=source, id=id, time=time or datetime.now(UTC))
