"""The events that the e-service and the service certificate workers exchange over Kafka, and how they become records.

Write and read:

    customer = Customer(account_id="account-3107", user_id="user-5021", assurance=Assurance.HIGH, role=Role.COLLEAGUE)
    record = record_of(customer.submitted(uuid4(), Application(...), csr))
    envelope, data = decode(record.topic, record.key, record.headers, record.value)

Malformed or missing data raise `Undecodable`, too large data `TooLarge`, with a sentence that says what to correct.
Named here is what the e-service writes and reads. Our services import from the modules.
"""

from .account import AccountMemberAdded as AccountMemberAdded
from .account import AccountMemberRemoved as AccountMemberRemoved
from .account import AccountOpened as AccountOpened
from .application import Applicant as Applicant
from .application import Application as Application
from .application import ApplicationSubmitted as ApplicationSubmitted
from .application import ApplicationSupplemented as ApplicationSupplemented
from .application import ApplicationWithdrawn as ApplicationWithdrawn
from .application import ApplyingAs as ApplyingAs
from .application import Attachment as Attachment
from .application import AttachmentKind as AttachmentKind
from .application import CsrAttached as CsrAttached
from .application import Form as Form
from .application import InformationSystem as InformationSystem
from .application import Names as Names
from .application import Orderer as Orderer
from .application import Signatory as Signatory
from .application import TechnicalContact as TechnicalContact
from .case import Answer as Answer
from .case import AppliedFor as AppliedFor
from .case import CaseCertificate as CaseCertificate
from .case import CaseChanged as CaseChanged
from .case import CaseRevocation as CaseRevocation
from .case import CaseState as CaseState
from .case import Deficiency as Deficiency
from .case import Delivery as Delivery
from .case import DeliveryProblem as DeliveryProblem
from .case import Difference as Difference
from .case import EventRefused as EventRefused
from .case import GrantedDecision as GrantedDecision
from .case import HistoryEntry as HistoryEntry
from .case import NextActor as NextActor
from .case import Renewal as Renewal
from .case import RevocationState as RevocationState
from .certificate import Recipient as Recipient
from .certificate import RecipientRole as RecipientRole
from .codec import Record as Record
from .codec import TooLarge as TooLarge
from .codec import Undecodable as Undecodable
from .codec import decode as decode
from .codec import to_record as to_record
from .customer import Customer as Customer
from .customer import record_of as record_of
from .event import Actor as Actor
from .event import Assurance as Assurance
from .event import Envelope as Envelope
from .event import Role as Role
from .event import is_canary as is_canary
from .mail import MailKind as MailKind
from .membership import reasons_of as reasons_of
from .open_list import UnknownMember as UnknownMember
from .revocation import REASONS as REASONS
from .revocation import Notify as Notify
from .revocation import RevocationReason as RevocationReason
from .revocation import RevocationRequested as RevocationRequested
from .revocation import reason_named as reason_named
from .values import CertificateType as CertificateType
from .values import Language as Language
from .values import Texts as Texts
from .values import Usage as Usage
